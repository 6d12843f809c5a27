"""Writes the leaderboard beside its results: Markdown, CSV, JSON and the page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from fflbench.errors import UserError
from fflbench.leaderboard.board import Board
from fflbench.leaderboard.build import build_board
from fflbench.leaderboard.html_page import Page
from fflbench.leaderboard.latex import latex
from fflbench.leaderboard.markdown import markdown
from fflbench.leaderboard.results import Results, load_results
from fflbench.leaderboard.spreadsheet import spreadsheet
from fflbench.leaderboard.wording import plain
from fflbench.records import write_atomically

PREFERRED = "ffl"


NAMES = tuple(f"leaderboard.{ending}" for ending in ("md", "csv", "tex", "json"))
"""The files beside the page."""


@dataclass(frozen=True)
class LeaderboardFiles:
    """What was written. `problems` are lines for the user; `text` is the Markdown."""

    markdown: Path
    csv: Path
    tex: Path
    json: Path
    html: Path
    problems: list[str]
    text: str
    board: Board


def write_leaderboard(results: Path, out: Path | None = None, reference: str | None = None) -> LeaderboardFiles:
    """Read a results folder, write `leaderboard.*` into `out` (default: the same folder). Differences are to the defense
    `reference`, by default `ffl` or, where that did not run, the first one.

    >>> files = write_leaderboard(Path("results"))
    >>> print(files.html)
    results/leaderboard.html
    """
    return write_results(load_results(results), out or results, reference)


def write_results(
    loaded: Results, folder: Path, reference: str | None = None, page: str = "leaderboard.html"
) -> LeaderboardFiles:
    """Write the page, under that name, and `leaderboard.*` of these results into a folder."""
    board = build_board(loaded, _reference(loaded, reference))
    contents = {
        "md": markdown(board),
        "csv": spreadsheet(board),
        "tex": latex(board),
        "json": json.dumps(board.model_dump(mode="json"), indent=1, allow_nan=False) + "\n",
        "html": Page(board, loaded, NAMES).html(),
    }
    paths = {ending: folder / f"leaderboard.{ending}" for ending in contents} | {"html": folder / page}
    for ending, content in contents.items():
        try:
            write_atomically(paths[ending], content.encode())
        except OSError as error:
            raise UserError(f"leaderboard: {paths[ending]}: cannot be written ({error.strerror})") from None
    return LeaderboardFiles(
        markdown=paths["md"],
        csv=paths["csv"],
        tex=paths["tex"],
        json=paths["json"],
        html=paths["html"],
        problems=list(board.problems),
        text=contents["md"],
        board=board,
    )


def _reference(results: Results, wanted: str | None) -> str:
    labels = list(dict.fromkeys(label for task in results.tasks for label in task.defenses))
    if wanted is None:
        return PREFERRED if PREFERRED in labels else labels[0]
    if wanted not in labels:
        raise UserError(f"--reference: found {wanted!r}, which has no record; needs one of {plain(', '.join(labels), 500)}")
    return wanted
