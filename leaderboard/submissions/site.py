"""A board as a static site: the leaderboard of all its records, and who submitted them."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from fflbench.errors import UserError
from fflbench.leaderboard.results import assemble
from fflbench.leaderboard.submissions.folder import Shelf, open_board
from fflbench.leaderboard.submissions.listing import ListedSubmission
from fflbench.leaderboard.submissions.listing_markdown import submissions_markdown
from fflbench.leaderboard.submissions.reports import listed
from fflbench.leaderboard.submissions.rules import SUBMISSIONS
from fflbench.leaderboard.wording import plain
from fflbench.leaderboard.write import LeaderboardFiles, write_results
from fflbench.records import write_atomically

PAGE = "index.html"


def write_site(board: Path, out: Path, reference: str | None = None) -> tuple[LeaderboardFiles, list[ListedSubmission]]:
    """Write `index.html`, `leaderboard.*`, `submissions.md`, `submissions.json` and the submissions themselves into `out`.
    Raises `UserError` when anything on the board is wrong, or nothing is on it."""
    shelf = open_board(board)
    if not shelf.submissions:
        raise UserError(f"leaderboard: {plain(str(board), 200)}: has no submission; `fflbench leaderboard add` adds one")
    listing = [listed(submission, shelf.reports.get(submission.digest, ())) for submission in shelf.submissions]
    with tempfile.TemporaryDirectory(prefix="fflbench-board-") as name:
        pictures = Path(name)
        _lay_out(shelf, pictures)
        records = [record for submission in shelf.submissions for record in submission.records]
        results = assemble(pictures, records, [], tuple(listing), shelf.rules.title)
        known = {label for task in results.tasks for label in task.defenses}
        chosen = reference or (shelf.rules.reference if shelf.rules.reference in known else None)
        files = write_results(results, out, chosen, page=PAGE)
    contents = {
        "submissions.md": submissions_markdown(shelf.rules.title, listing).encode(),
        "submissions.json": _json(shelf.rules.title, listing),
        **{f"{SUBMISSIONS}/{one.file}": (board / SUBMISSIONS / one.file).read_bytes() for one in listing},
    }
    for file, data in contents.items():
        try:
            write_atomically(out / file, data)
        except OSError as error:
            raise UserError(f"leaderboard: {plain(str(out / file), 200)}: cannot be written ({error.strerror})") from None
    return files, listing


def _lay_out(shelf: Shelf, folder: Path) -> None:
    """Pictures where the gallery looks for them. Their paths were checked: `artefacts/DIGEST/NAME.png`."""
    for submission in shelf.submissions:
        for file, data in submission.pictures.items():
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def _json(title: str, listing: list[ListedSubmission]) -> bytes:
    value = {"schema_version": 1, "title": title, "submissions": [one.model_dump(mode="json") for one in listing]}
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()
