"""`fflbench leaderboard`: records, or a board of submissions, to tables and a page."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from fflbench.leaderboard import LeaderboardFiles, tables_for_terminal, write_leaderboard
from fflbench.leaderboard.submissions.folder import is_board
from fflbench.leaderboard.submissions.site import PAGE, write_site
from fflbench.leaderboard.wording import count


def leaderboard_command(results: Path, out: Path | None, reference: str | None) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 120
    if not is_board(results):
        files = write_leaderboard(results, out, reference)
        _show(files, files.html, console)
        return
    site = out or results / "site"
    files, listing = write_site(results, site, reference)
    _show(files, site / PAGE, console)
    for one in listing:
        signed = f"signed by {one.key}" if one.key else "not signed"
        console.print(f"{one.name}: {count(one.records, 'record')}, {signed}, {one.standing}", soft_wrap=True, markup=False)


def _show(files: LeaderboardFiles, page: Path, console: Console) -> None:
    warnings = Console(stderr=True, highlight=False, soft_wrap=True)
    for line in files.problems:
        warnings.print(line, markup=False)
    for table in tables_for_terminal(files.board):
        console.print(table)
    console.print(f"tables: {files.markdown}, {files.csv}, {files.tex}, {files.json}", soft_wrap=True, markup=False)
    console.print(f"page:   {page.resolve()}", soft_wrap=True, markup=False)
