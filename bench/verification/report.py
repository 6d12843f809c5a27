"""What came out of running cells of a submission again: one JSON file, signed if the verifier has a key."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import pydantic
from pydantic import Field

from fflbench.errors import UserError
from fflbench.parameters import explain
from fflbench.records import Digest, Number
from fflbench.signature import Signature, check_signature, sign
from fflbench.strict_json import canonical, strict_json

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

VERSION: Literal[1] = 1
SEAL = b"fflbench-verification 1\n"
LARGEST = 4 * 2**20
Outcome = Literal["same", "close", "differs", "not verified"]
Text = Annotated[str, Field(max_length=500)]
_CLOSED = pydantic.ConfigDict(extra="forbid", frozen=True)


class VerifiedCell(pydantic.BaseModel):
    """One cell. `same`: bit for bit; `close`: within the tolerance; `note`: what differs, or why it could not be verified.
    `stated` and `found` are the metrics of the submission and of this machine."""

    model_config = _CLOSED
    record: Digest
    name: Text
    outcome: Outcome
    note: Text = ""
    stated: dict[str, Number | None] = {}
    found: dict[str, Number | None] = {}


class Report(pydantic.BaseModel):
    """`submission` is its digest; `seed` and `asked` say which cells were drawn, `tolerance` scales the documented one, and
    `left_out` counts the cells that were too long to be drawn."""

    model_config = _CLOSED
    format: Literal["fflbench-verification"] = "fflbench-verification"
    version: Literal[1] = VERSION
    submission: Digest
    submitter: Text
    seed: int
    asked: Annotated[int, Field(ge=1)]
    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    left_out: Annotated[int, Field(ge=0)] = 0
    fflbench: Text
    machine: Text
    device: Text
    day: Text
    cells: Annotated[tuple[VerifiedCell, ...], Field(min_length=1, max_length=10_000)]

    def count(self, *outcomes: Outcome) -> int:
        return sum(cell.outcome in outcomes for cell in self.cells)

    def line(self) -> bytes:
        return canonical(self.model_dump(mode="json"))

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.line()).hexdigest()


class SignedReport(pydantic.BaseModel):
    """The file."""

    model_config = _CLOSED
    report: Report
    signature: Signature | None = None

    @property
    def fingerprint(self) -> str:
        return self.signature.fingerprint if self.signature else ""

    def to_bytes(self) -> bytes:
        return canonical(self.model_dump(mode="json")) + b"\n"


def signed(report: Report, key: Ed25519PrivateKey | None) -> SignedReport:
    return SignedReport(report=report, signature=sign(SEAL + report.line(), key) if key else None)


def read_report(file: Path, where: str) -> SignedReport:
    """A report, maybe from a stranger. Raises `UserError` that begins with `where`."""
    try:
        with file.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError as error:
        raise UserError(f"{where}: cannot be read ({error.strerror})") from None
    if len(data) > LARGEST:
        raise UserError(f"{where}: is larger than {LARGEST} bytes, which is the limit for a report")
    value = strict_json(data, where)
    try:
        found = SignedReport.model_validate_json(canonical(value))
    except pydantic.ValidationError as error:
        raise UserError(f"{where}: {explain(error, 'report')}") from None
    if found.signature:
        check_signature(SEAL + found.report.line(), found.signature, where)
    return found
