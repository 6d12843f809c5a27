"""From records to tables, pictures and one offline page."""

from fflbench.leaderboard.board import Board
from fflbench.leaderboard.build import build_board
from fflbench.leaderboard.results import Results, load_results
from fflbench.leaderboard.terminal import tables_for_terminal
from fflbench.leaderboard.write import LeaderboardFiles, write_leaderboard

__all__ = [
    "Board",
    "LeaderboardFiles",
    "Results",
    "build_board",
    "load_results",
    "tables_for_terminal",
    "write_leaderboard",
]
