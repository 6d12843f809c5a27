"""`board.toml`: what a board is called, what it compares with, and what it takes."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Annotated

import pydantic
from pydantic import AfterValidator, Field

from fflbench.errors import UserError
from fflbench.leaderboard.submissions.about import BoardName, Printable, printable, slug
from fflbench.leaderboard.submissions.container import LIMITS, Limits
from fflbench.parameters import explain
from fflbench.records import write_atomically

FILE = "board.toml"
SUBMISSIONS, REPORTS = "submissions", "reports"
_CLOSED = pydantic.ConfigDict(extra="forbid", frozen=True, strict=True)
Fingerprint = Annotated[str, Field(pattern=r"^SHA256:[A-Za-z0-9+/]{43}$")]

_TEMPLATE = """\
title = {title}

# The defense that others are compared with.
reference = {reference}

# The name whose submissions set the ground: everybody else's keep to its tasks, attacks and seeds. "" for none.
baseline = {baseline}

# Whether unsigned submissions are taken.
unsigned = true

# Fingerprints of the keys whose reports of verification count; empty: every report does, so look who adds one.
verifiers = []

# What one submission may hold at most.
[limits]
megabytes = 16
records = 20000

# A name belongs to the key of its first submission. To choose its keys yourself: "name" = ["SHA256:...", ...]
[keys]
"""


class SubmissionLimits(pydantic.BaseModel):
    """What one submission may hold at most: `megabytes` (10^6 bytes) as a file, `records`."""

    model_config = _CLOSED
    megabytes: Annotated[float, Field(gt=0, le=LIMITS.file / 1e6, allow_inf_nan=False)] = 16.0
    records: Annotated[int, Field(ge=1, le=LIMITS.records)] = LIMITS.records


class Rules(pydantic.BaseModel):
    """The content of `board.toml`. `keys` pins names to keys, by fingerprint; `verifiers` are
    fingerprints too."""

    model_config = _CLOSED
    title: Printable
    reference: Annotated[str, Field(max_length=60), AfterValidator(printable)] = "ffl"
    baseline: BoardName | None = None
    unsigned: bool = True
    verifiers: list[Fingerprint] = []
    limits: SubmissionLimits = SubmissionLimits()
    keys: dict[BoardName, Annotated[list[Fingerprint], Field(min_length=1)]] = {}

    @pydantic.field_validator("baseline", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        return None if value == "" else value

    def pinned(self, name: str) -> list[str]:
        """The keys that a name is pinned to; none where it is not pinned."""
        return {slug(pinned): keys for pinned, keys in self.keys.items()}.get(slug(name), [])

    @property
    def file_limits(self) -> Limits:
        return Limits(file=int(self.limits.megabytes * 1e6), records=self.limits.records)


def read_rules(board: Path) -> Rules:
    """Raises `UserError` that names the field that is wrong."""
    file = board / FILE
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: is not valid TOML: {error}") from None
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}); `fflbench leaderboard new` makes a board") from None
    try:
        return Rules.model_validate(table)
    except pydantic.ValidationError as error:
        raise UserError(f"{explain(error, f'{file}: board', Rules.model_fields)}") from None


def new_board(folder: Path, title: str, reference: str, baseline: str) -> Path:
    """Start a board in a folder that holds none. Returns its `board.toml`."""
    try:
        Rules(title=title, reference=reference, baseline=baseline or None)
    except pydantic.ValidationError as error:
        raise UserError(re.sub(r"^-\.", "--", explain(error, "-"))) from None
    file = folder / FILE
    if file.exists():
        raise UserError(f"{file}: is there already, needs a folder without a board")
    quoted = {name: json.dumps(text, ensure_ascii=False)
              for name, text in {"title": title, "reference": reference, "baseline": baseline}.items()}  # fmt: skip
    try:
        (folder / SUBMISSIONS).mkdir(parents=True, exist_ok=True)
        write_atomically(folder / SUBMISSIONS / ".gitkeep", b"")
        write_atomically(file, _TEMPLATE.format(**quoted).encode())
    except OSError as error:
        raise UserError(f"{folder}: cannot be written to ({error.strerror})") from None
    return file
