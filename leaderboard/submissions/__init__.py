"""Results from strangers: one file each, checked, on a board that lives in git."""
