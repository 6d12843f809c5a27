"""`fflbench submit`: from a results folder to one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pydantic

from fflbench.errors import UserError
from fflbench.leaderboard.results import assemble, read_folder
from fflbench.leaderboard.submissions.about import About
from fflbench.leaderboard.submissions.pictures import gather_pictures
from fflbench.leaderboard.submissions.submission import Submission, parse_submission, submission_of
from fflbench.parameters import explain
from fflbench.patterns import selected
from fflbench.records import Record

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def about_of(name: str, authors: Sequence[str], paper: str | None, code: str | None, contact: str | None) -> About:
    """Raises `UserError` that names the option that is wrong."""
    try:
        return About(name=name, authors=list(authors), paper=paper, code=code, contact=contact)
    except pydantic.ValidationError as error:
        raise UserError(explain(error, "-").replace("-.authors.", "--author ", 1).replace("-.", "--", 1)) from None


def make_submission(
    folders: Sequence[Path],
    about: About,
    only: Sequence[str] = (),
    pictures: Sequence[str] = (),
    key: Ed25519PrivateKey | None = None,
) -> tuple[Submission, list[str]]:
    """The newest record of each chosen cell of some results folders as a submission, with the pictures of the cells that
    `pictures` chooses, and a line for each thing that stays behind. What failed cells printed, and the folder that the suite
    lay in, stay behind too. The same input gives the same file. Raises `UserError` when there is nothing to submit, or a
    board would refuse it."""
    read: list[Record] = []
    lines: list[str] = []
    for folder in folders:
        more, others = read_folder(folder)
        read, lines = [*read, *more], [*lines, *others]
    loaded = assemble(folders[0], read, lines)
    newest = {record.digest: record.specification for record in loaded.records()}
    chosen = {spec.digest() for spec in selected(list(newest.values()), only)}
    # As they were read: what is shown of a record may be less than what it says.
    wanted = {r.digest: r for r in read if r.digest in newest and r.specification.digest() in chosen}
    records = [_public(record) for record in wanted.values()]
    problems = list(loaded.problems)
    found: dict[str, bytes] = {}
    if pictures:
        shown = {spec.digest() for spec in selected([record.specification for record in records], pictures, "--pictures")}
        found, left = gather_pictures(folders, [record for record in records if record.specification.digest() in shown])
        problems += left
    records = [_with_pictures(record, found) for record in records]
    made = submission_of(about, records, found, key)
    # The checks of a board, before the file leaves the house.
    return parse_submission(made.to_bytes(), f"submit: {folders[0]}"), problems


def _public(record: Record) -> Record:
    suite = Path(record.provenance.suite).name
    return record.model_copy(update={"output": "", "provenance": record.provenance.model_copy(update={"suite": suite})})


def _with_pictures(record: Record, found: dict[str, bytes]) -> Record:
    return record.model_copy(update={"artefacts": tuple(a for a in record.artefacts if a.file in found)})
