"""Cells of a submission run again on this machine, and compared."""
