"""`fflbench leaderboard new`, `add` and `check`: boards of submissions."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from fflbench.leaderboard.submissions.folder import add_submission, check_unchanged, open_board
from fflbench.leaderboard.submissions.rules import new_board
from fflbench.leaderboard.wording import count, plain


def new_command(board: Path, title: str, reference: str, baseline: str) -> None:
    console = _console()
    file = new_board(board, title, reference, baseline)
    console.print(f"{file}: written; read it and change what you like")
    console.print(f"Next: fflbench leaderboard add FILE --board {board}")


def add_command(file: Path, board: Path, report: Path | None) -> None:
    console = _console()
    submission, written = add_submission(board, file, report)
    signed = f"signed by {submission.fingerprint}" if submission.signature else "not signed"
    console.print(f"{submission.about.name}: {count(len(submission.records), 'record')}, {signed}")
    for path in written:
        console.print(f"added {path}")
    console.print(f"Next: fflbench leaderboard {board}")


def check_command(board: Path, before: Path | None) -> None:
    console = _console()
    if before is not None:
        check_unchanged(board, before)
    shelf = open_board(board)
    reports = sum(len(some) for some in shelf.reports.values())
    records = sum(len(one.records) for one in shelf.submissions)
    held = f"{count(len(shelf.submissions), 'submission')} with {count(records, 'record')} and {count(reports, 'report')}"
    console.print(f"{plain(shelf.rules.title)}: {held}: all in order")


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True, markup=False)
