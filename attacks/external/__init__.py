"""Attacks by other people's tools, run from the user's own copy of them on what our observers see."""
