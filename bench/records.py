"""One cell, one JSON file: what was asked, what came out, what it cost, where it comes from."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import pydantic
from pydantic import Field

from fflbench.errors import UserError

SCHEMA: Literal[1] = 1
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Number = Annotated[float, Field(allow_inf_nan=False)]
Role = Literal["original", "reconstruction", "data"]
Status = Literal["ok", "diverged", "incompatible", "failed"]
Track = Literal["poisoning", "reconstruction"]
_CLOSED = pydantic.ConfigDict(extra="forbid", frozen=True)


class Part(pydantic.BaseModel):
    """One part of a defense, with all its parameters."""

    model_config = _CLOSED
    kind: Literal["stage", "pre-aggregator", "aggregator", "server-step"]
    name: str
    parameters: dict[str, Any] = {}


class DefenseSpec(pydantic.BaseModel):
    """A defense as it runs: stages, then pre-aggregators, then one aggregator. `label` is its name in tables."""

    model_config = _CLOSED
    label: str
    parts: tuple[Part, ...]


class AttackSpec(pydantic.BaseModel):
    """An attack as it runs. `coalition` (poisoning only): attackers (share), start, end, strategy."""

    model_config = _CLOSED
    label: str
    name: str
    parameters: dict[str, Any] = {}
    coalition: dict[str, Any] = {}
    threat: str = ""


class TaskSpec(pydantic.BaseModel):
    """A task as it runs: data set and model with parameters, and all settings of its track."""

    model_config = _CLOSED
    label: str
    dataset: dict[str, Any]
    model: dict[str, Any]
    settings: dict[str, Any]

    @property
    def rounds_scale(self) -> float:
        """The share of its rounds that is run."""
        return float(self.settings.get("rounds_scale", 1.0))

    @property
    def title(self) -> str:
        """The label, and how much it was shortened."""
        return self.label if self.rounds_scale == 1 else f"{self.label} (shortened to {self.rounds_scale:g})"


class Specification(pydantic.BaseModel):
    """Everything that decides a cell's result except the code and the data."""

    model_config = _CLOSED
    track: Track
    task: TaskSpec
    attack: AttackSpec
    defense: DefenseSpec
    seed: Annotated[int, Field(ge=0)]

    @property
    def name(self) -> str:
        """For people: task, attack, defense, seed."""
        return f"{self.task.title} / {self.attack.label} / {self.defense.label} / seed {self.seed}"

    def digest(self) -> str:
        return digest_of(self.model_dump(mode="json"))


class Artefact(pydantic.BaseModel):
    """A file beside the record. `file` is relative to the results folder; `scores` belong to what it shows."""

    model_config = _CLOSED
    file: Annotated[str, Field(pattern=r"^artefacts/[0-9a-f]{64}/[a-z0-9-]+\.(png|npz)$")]
    digest: Digest
    role: Role
    index: Annotated[int, Field(ge=0)] = 0
    scores: dict[str, Number] = {}


class Provenance(pydantic.BaseModel):
    """Where a record comes from. `computed_by` is what local training and evaluation ran in where no attack or defense
    intervenes in training, or what an observer simulates: `torch`, or `native` with its instruction set. `resumed` is how
    often the cell went on from a checkpoint, `memory` the GB that its process held at the peak (0: not known)."""

    model_config = _CLOSED
    suite: str
    version: str
    commit: str = ""
    dirty: bool = False
    plugins: dict[str, str] = {}
    engine: str = ""
    data: str = ""
    libraries: dict[str, str] = {}
    python: str = ""
    machine: str = ""
    device: str = "cpu"
    threads: int = 1
    precision: str = "float32"
    computed_by: str = "torch"
    resumed: int = 0
    memory: Number = 0.0
    started: str = ""
    finished: str = ""


class Record(pydantic.BaseModel):
    """One cell's result.

    `metrics`: by name in the metric registry, None where it does not apply. `curves`: the same after each round.
    `references` (reconstruction): what knowing nothing scores, by reference (`grey`, `random start`) and metric.
    `classes`: accuracy per class. `seconds`, `sent` (bytes all peers sent): by phase. `output`: the last lines that a
    failed cell printed.
    """

    model_config = _CLOSED
    schema_version: Literal[1] = SCHEMA
    digest: Digest
    specification: Specification
    status: Status
    error: str = ""
    output: str = ""
    metrics: dict[str, Number | None] = {}
    curves: dict[str, list[Number | None]] = {}
    references: dict[str, dict[str, Number | None]] = {}
    classes: dict[str, Number | None] = {}
    notes: dict[str, Any] = {}
    seconds: dict[str, Number] = {}
    sent: dict[str, int] = {}
    artefacts: tuple[Artefact, ...] = ()
    provenance: Provenance

    def comparable(self) -> dict[str, Any]:
        """The part that must not depend on when, where and how fast it ran."""
        kept = {"digest", "specification", "status", "error", "metrics", "curves", "references", "classes", "notes",
                "sent", "artefacts"}  # fmt: skip
        return self.model_dump(mode="json", include=kept)


def digest_of(value: object) -> str:
    """SHA-256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class RecordStore:
    """A results folder: `records/<digest>.json`, `artefacts/<digest>/*.png`, `logs/<digest>.txt`, and the checkpoints of
    cells that are not done."""

    folder: Path

    def path(self, digest: str) -> Path:
        return self.folder / "records" / f"{digest}.json"

    def log(self, digest: str) -> Path:
        """What a cell printed."""
        return self.folder / "logs" / f"{digest}.txt"

    def note(self, digest: str) -> Path:
        """How far a cell is that runs now."""
        return self.folder / "running" / f"{digest}.json"

    def checkpoint(self, digest: str) -> Path:
        return self.folder / "checkpoints" / f"{digest}.npz"

    def write(self, record: Record) -> Path:
        """Write atomically: a reader sees the old file or the new one, never a part. Raises `UserError` when it cannot."""
        path = self.path(record.digest)
        text = json.dumps(record.model_dump(mode="json"), indent=1, allow_nan=False, sort_keys=True) + "\n"
        self.write_file(path, text.encode())
        return path

    def read(self, digest: str) -> Record | None:
        """The record of that digest, or None if there is none. Raises `UserError` when there is one that cannot be used."""
        path = self.path(digest)
        if not path.is_file():
            return None
        return read_record(path)

    def read_all(self) -> tuple[list[Record], list[str]]:
        """All readable records in a stable order, and one line for each file that is not one."""
        records, problems = [], []
        for path in sorted((self.folder / "records").glob("*.json")):
            try:
                records.append(read_record(path))
            except UserError as error:
                problems.append(f"{error}; skipped")
        return records, problems

    def write_artefact(self, digest: str, name: str, data: bytes) -> tuple[str, str]:
        """Store a file beside a record; returns its relative path and its SHA-256."""
        relative = f"artefacts/{digest}/{name}"
        self.write_file(self.folder / relative, data)
        return relative, hashlib.sha256(data).hexdigest()

    def write_file(self, path: Path, data: bytes) -> None:
        """Write atomically into this folder. On a full disk the reserve is given up for it."""
        try:
            try:
                write_atomically(path, data)
            except OSError as error:
                if not is_full(error):
                    raise
                self.drop_reserve()
                write_atomically(path, data)
        except OSError as error:
            raise UserError(f"results folder {self.folder}: cannot be written to ({error.strerror})") from None

    @property
    def reserve(self) -> Path:
        """A file that holds disk space for what is being computed now: given up when the disk is full, so that what is
        finished can still be written."""
        return self.folder / ".reserve"

    def drop_reserve(self) -> None:
        self.reserve.unlink(missing_ok=True)

    def refill_reserve(self, size: int) -> bool:
        """Whether the reserve is there, made now if need be."""
        if self.reserve.is_file():
            return True
        try:
            write_atomically(self.reserve, os.urandom(size))
        except OSError:
            return False
        return True


def read_record(path: Path) -> Record:
    """Raises `UserError` with one line when the file is damaged, foreign, of another schema or under a wrong name."""
    try:
        if path.stat().st_size > 64 * 2**20:
            raise UserError(f"{path}: larger than 64 MiB, not a record")
        record = Record.model_validate_json(path.read_bytes())
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UserError(f"{path}: not a usable record ({place}: {first['msg']})") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    if path.stem != record.digest:
        raise UserError(f"{path}: holds the record {record.digest[:12]}..., its name says otherwise")
    return record


def is_full(error: OSError) -> bool:
    """Whether it says that a disk is full, or our part of it."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def write_atomically(path: Path, data: bytes) -> None:
    """Write to a temporary name in the same folder, flush to disk, rename."""
    with atomically(path) as file:
        file.write(data)


@contextmanager
def atomically(path: Path) -> Iterator[BinaryIO]:
    """A file that takes its name only once it is whole and on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".writing-{uuid.uuid4().hex}"
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
