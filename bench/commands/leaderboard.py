"""`fflbench leaderboard`: records to tables and a page."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from fflbench.leaderboard import tables_for_terminal, write_leaderboard


def leaderboard_command(results: Path, out: Path | None, reference: str | None) -> None:
    console, warnings = Console(highlight=False), Console(stderr=True, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = 120
    files = write_leaderboard(results, out, reference)
    for line in files.problems:
        warnings.print(line, markup=False)
    for table in tables_for_terminal(files.board):
        console.print(table)
    console.print(f"tables: {files.markdown}, {files.csv}, {files.tex}, {files.json}", soft_wrap=True, markup=False)
    console.print(f"page:   {files.html.resolve()}", soft_wrap=True, markup=False)
