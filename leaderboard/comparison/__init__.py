"""The regression gate: two results folders, one verdict.

>>> from fflbench.leaderboard.comparison import compare_folders
"""

from fflbench.leaderboard.comparison.compare import Options, compare_folders, compare_results
from fflbench.leaderboard.comparison.verdicts import Change, ComparedCell, Comparison, Speed

__all__ = ["Change", "ComparedCell", "Comparison", "Options", "Speed", "compare_folders", "compare_results"]
