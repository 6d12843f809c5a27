"""A submission: who, what, since when unchanged. One file: a header, a signature, records, pictures; a line of JSON each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pydantic
from pydantic import Field

from fflbench.errors import UserError
from fflbench.leaderboard.measures import Measure
from fflbench.leaderboard.submissions.about import About, slug
from fflbench.leaderboard.submissions.container import LIMITS, SUFFIX, Limits, packed, read_bytes, unpacked_lines
from fflbench.leaderboard.submissions.facts import facts
from fflbench.leaderboard.submissions.pictures import picture_in, picture_line
from fflbench.leaderboard.submissions.records import check_records, record_in
from fflbench.leaderboard.wording import plain
from fflbench.parameters import explain
from fflbench.records import Digest, Record
from fflbench.signature import Signature, check_signature, sign
from fflbench.strict_json import canonical, strict_json

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

VERSION: Literal[1] = 1
SEAL = b"fflbench-submission 1\n"
"""Put before what is signed, so that a signature counts for nothing else."""


class Header(pydantic.BaseModel):
    """The first line. `content` is the SHA-256 of all lines after the signature, `facts` what the records say of their
    threat model and environment."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, strict=True)
    format: Literal["fflbench-submission"] = "fflbench-submission"
    version: Literal[1] = VERSION
    about: About
    records: Annotated[int, Field(ge=1)]
    pictures: Annotated[int, Field(ge=0)] = 0
    content: Digest
    facts: dict[str, Any]

    def line(self) -> bytes:
        return canonical(self.model_dump(mode="json"))


@dataclass(frozen=True)
class Submission:
    """A checked submission. `pictures` are the PNG files by path, each as its record lists it."""

    header: Header
    records: tuple[Record, ...]
    pictures: dict[str, bytes] = field(default_factory=dict)
    signature: Signature | None = None

    @property
    def about(self) -> About:
        return self.header.about

    @property
    def digest(self) -> str:
        """What identifies it: who, and every record and picture; not whether it is signed."""
        return hashlib.sha256(self.header.line()).hexdigest()

    @property
    def file_name(self) -> str:
        """Its name on a board, from its content alone."""
        return f"{slug(self.about.name)}-{self.digest[:12]}{SUFFIX}"

    @property
    def fingerprint(self) -> str:
        """Of the key that signed it; empty for none."""
        return self.signature.fingerprint if self.signature else ""

    def to_bytes(self) -> bytes:
        signature = self.signature.model_dump(mode="json") if self.signature else None
        return packed(iter([self.header.line(), canonical(signature), *_content(self.records, self.pictures)]))


def submission_of(
    about: About, records: Iterable[Record], pictures: dict[str, bytes], key: Ed25519PrivateKey | None = None
) -> Submission:
    """Records, the pictures that they list and who made them, signed if there is a key."""
    ordered = tuple(sorted(records, key=lambda record: record.digest))
    digest = hashlib.sha256()
    for line in _content(ordered, pictures):
        digest.update(line + b"\n")
    header = Header(about=about, records=len(ordered), pictures=len(pictures), content=digest.hexdigest(),
                    facts=facts(ordered))  # fmt: skip
    return Submission(header, ordered, pictures, sign(SEAL + header.line(), key) if key else None)


def _content(records: Iterable[Record], pictures: dict[str, bytes]) -> Iterator[bytes]:
    for record in records:
        yield canonical(record.model_dump(mode="json"))
    for file in sorted(pictures):
        yield picture_line(file, pictures[file])


def read_submission(file: Path, limits: Limits = LIMITS) -> Submission:
    """Read a file from a stranger and check everything that can be checked without running it. Raises `UserError` with one
    line at the first thing that is wrong."""
    return read_whole(file, limits)[1]


def read_whole(file: Path, limits: Limits = LIMITS) -> tuple[bytes, Submission]:
    """As `read_submission`, with the bytes that were read."""
    where = plain(str(file), 200)
    try:
        data = read_bytes(file, limits.file, where)
        return data, parse_submission(data, where, limits)
    except UserError as error:
        raise UserError(plain(str(error), 500)) from None


def parse_submission(data: bytes, where: str, limits: Limits = LIMITS) -> Submission:
    """The submission that these bytes are. Raises `UserError` that begins with `where`."""
    lines = unpacked_lines(data, where, limits)
    header = _header(next(lines, b""), where, limits)
    signature = _signature(next(lines, b""), header, where)
    records: list[Record] = []
    pictures: dict[str, bytes] = {}
    measures: dict[str, Measure] = {}
    digest = hashlib.sha256()
    for number, line in enumerate(lines, 3):
        digest.update(line + b"\n")
        place = f"{where}, line {number}"
        if len(records) < header.records:
            records.append(record_in(line, place, measures))
        elif len(pictures) < header.pictures:
            name, png = picture_in(line, place)
            pictures[name] = png
        else:
            raise UserError(
                f"{place}: comes after the {header.records} records and {header.pictures} pictures of the header"
            )
    if len(records) < header.records or len(pictures) < header.pictures:
        raise UserError(f"{where}: has {len(records)} records and {len(pictures)} pictures, its header says "
                        f"{header.records} and {header.pictures}")  # fmt: skip
    if digest.hexdigest() != header.content:
        raise UserError(f"{where}: its content does not fit the digest in its header: it was changed after it was made")
    check_records(records, pictures, where)
    if canonical(facts(records)) != canonical(header.facts):
        raise UserError(f"{where}: header.facts does not say what the records say, needs what `fflbench submit` wrote")
    return Submission(header, tuple(records), pictures, signature)


def _header(line: bytes, where: str, limits: Limits) -> Header:
    value = strict_json(line, f"{where}, line 1")
    if not isinstance(value, dict) or value.get("format") != "fflbench-submission":
        raise UserError(f"{where}: is no submission, needs a file that `fflbench submit` wrote")
    if value.get("version") != VERSION:
        raise UserError(f"{where}: version: found {plain(repr(value.get('version')), 40)}, needs {VERSION}; is your "
                        "fflbench up to date?")  # fmt: skip
    try:
        header = Header.model_validate_json(line)
    except pydantic.ValidationError as error:
        raise UserError(f"{where}: {explain(error, 'header', Header.model_fields)}") from None
    if header.line() != line:
        raise UserError(f"{where}: its header is not written as fflbench writes it")
    for name, most in (("records", limits.records), ("pictures", limits.pictures)):
        if getattr(header, name) > most:
            raise UserError(f"{where}: header.{name}: found {getattr(header, name)}, needs at most {most}")
    return header


def _signature(line: bytes, header: Header, where: str) -> Signature | None:
    value = strict_json(line, f"{where}, line 2")
    if value is None:
        return None
    try:
        signature = Signature.model_validate(value)
    except pydantic.ValidationError as error:
        raise UserError(f"{where}: {explain(error, 'signature')}") from None
    check_signature(SEAL + header.line(), signature, where)
    return signature
