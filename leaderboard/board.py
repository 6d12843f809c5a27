"""The leaderboard as data: what `leaderboard.json` holds. Its JSON Schema is `Board.model_json_schema()`."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic
from pydantic import Field

from fflbench.leaderboard.measures import Measure
from fflbench.records import Number, Track

SCHEMA: Literal[1] = 1
EntryStatus = Literal["ok", "partial", "diverged", "failed", "missing", "incompatible", "not applicable", "not measured"]
_CLOSED = pydantic.ConfigDict(extra="forbid", frozen=True)


class Difference(pydantic.BaseModel):
    """Entry minus the reference defense's entry, paired by seed, with its 95% t interval."""

    model_config = _CLOSED
    mean: Number
    low: Number | None
    high: Number | None
    seeds: int


class Entry(pydantic.BaseModel):
    """One number of the leaderboard: a mean over `seeds` of the `asked` seeds with its 95% t interval, by-seed `values`,
    and `note`, what a reader must know about it. `references`: what knowing nothing scores on the same victims."""

    model_config = _CLOSED
    status: EntryStatus
    note: str = ""
    mean: Number | None = None
    low: Number | None = None
    high: Number | None = None
    seeds: int = 0
    asked: int = 0
    values: dict[int, Number] = {}
    difference: Difference | None = None
    references: dict[str, Number] = {}

    @property
    def half_width(self) -> float | None:
        return None if self.high is None or self.mean is None else self.high - self.mean


class Row(pydantic.BaseModel):
    """A defense on one task. `rank` is None where seeds do not support one; an incomplete row shares the last rank.
    `totals`: scores over attacks, by measure; `attacks`: entries by attack and metric."""

    model_config = _CLOSED
    defense: str
    rank: int | None = None
    tied: bool = False
    complete: bool = True
    note: str = ""
    totals: dict[str, Entry]
    attacks: dict[str, dict[str, Entry]]


class AttackLine(pydantic.BaseModel):
    """An attack of a task; `threat` says what it assumes; `targeted` attacks have a success rate of their own."""

    model_config = _CLOSED
    label: str
    threat: str = ""
    clean: bool = False
    targeted: bool = False


class TaskBoard(pydantic.BaseModel):
    """One task: a row for each defense, best first. `ranked_by` names the total that decides; `setting` is its threat
    model, from what is assumed to how."""

    model_config = _CLOSED
    key: str
    track: Track
    label: str
    setting: dict[str, str] = {}
    seeds: list[int]
    attacks: list[AttackLine]
    measures: dict[str, Measure]
    ranked_by: str
    references: dict[str, dict[str, dict[str, Number]]] = {}
    rows: list[Row]


class JointRow(pydantic.BaseModel):
    """A defense over all tasks of both tracks. `pareto`: no other fully measured defense dominates it."""

    model_config = _CLOSED
    defense: str
    pareto: bool = False
    note: str = ""
    entries: dict[str, Entry]


class Source(pydantic.BaseModel):
    """Where records come from: a value that they state, and how many state it."""

    model_config = _CLOSED
    field: str
    value: str
    records: int


class Board(pydantic.BaseModel):
    """Everything that the outputs show."""

    model_config = _CLOSED
    schema_version: Literal[1] = SCHEMA
    reference: str
    suites: list[str]
    records: Annotated[int, Field(ge=1)]
    measures: dict[str, Measure]
    joint: list[JointRow]
    tasks: list[TaskBoard]
    sources: list[Source]
    problems: list[str]
