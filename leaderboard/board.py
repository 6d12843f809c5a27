"""The leaderboard as data: what `leaderboard.json` holds. Its JSON Schema is docs/schemas/leaderboard.json."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic
from pydantic import Field

from fflbench.leaderboard.measures import Measure
from fflbench.leaderboard.ranking import Rank
from fflbench.records import Number, Track

SCHEMA: Literal[2] = 2
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
    """A defense on one task. `ranks`: by threat, absent where seeds do not support one; an incomplete row shares the last.
    `totals`: scores over attacks, by measure; `attacks`: entries by attack and metric."""

    model_config = _CLOSED
    defense: str
    ranks: dict[str, Rank] = {}
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


class ThreatLine(pydantic.BaseModel):
    """A threat model of a task: the attacks that assume it, the total that ranks the defenses under it, and their order.
    `suffix` stands behind the names of its `totals`, the scores over its attacks."""

    model_config = _CLOSED
    name: str
    words: str
    suffix: str
    attacks: list[str]
    ranked_by: str
    totals: list[str]
    order: list[str]


class TaskBoard(pydantic.BaseModel):
    """One task: a row for each defense, best first under the first threat. `setting`: what takes part and what is known."""

    model_config = _CLOSED
    key: str
    track: Track
    label: str
    setting: dict[str, str] = {}
    seeds: list[int]
    attacks: list[AttackLine]
    threats: list[ThreatLine]
    measures: dict[str, Measure]
    references: dict[str, dict[str, dict[str, Number]]] = {}
    rows: list[Row]

    def threat_of_total(self, name: str) -> str:
        """The threat whose attacks a total is over; empty for the accuracy without attackers and for costs."""
        return next((threat.name for threat in self.threats if name in threat.totals), "")

    def row(self, defense: str) -> Row | None:
        """The row of a defense, if it ran on this task."""
        return next((row for row in self.rows if row.defense == defense), None)


class JointRow(pydantic.BaseModel):
    """A defense over the tasks of both tracks that most defenses ran on. `pareto`: whether it is on the first front."""

    model_config = _CLOSED
    defense: str
    pareto: bool = False
    entries: dict[str, Entry]


class Front(pydantic.BaseModel):
    """The Pareto front of clean accuracy x robustness x privacy, under one threat of each track, in the worst case or on
    average. `defenses` are those that no other fully measured one dominates; `order` is best first."""

    model_config = _CLOSED
    view: Literal["worst", "mean"]
    attackers: str
    server: str
    robustness: str
    privacy: str
    defenses: list[str]
    order: list[str]


class StandingRow(pydantic.BaseModel):
    """A defense over many blocks: its mean rank with a bootstrap interval, the printed rank, and how many blocks count
    against it because runs failed or are missing. All None where it lacks a whole task: `note` says which."""

    model_config = _CLOSED
    defense: str
    mean_rank: Number | None = None
    low: Number | None = None
    high: Number | None = None
    rank: Rank | None = None
    gaps: int = 0
    note: str = ""


class Standing(pydantic.BaseModel):
    """Mean ranks under one threat model. A block is a task under an attack, in which the defenses are ranked by `score`.
    `p_value`: Friedman's test (Iman and Davenport's F) that all are alike; `critical_difference`: Nemenyi's, at 5%."""

    model_config = _CLOSED
    key: str
    track: Track
    threat: str
    words: str
    score: str
    tasks: list[str]
    blocks: int
    p_value: Number | None = None
    critical_difference: Number | None = None
    rows: list[StandingRow]


class Source(pydantic.BaseModel):
    """Where records come from: a value that they state, and how many state it."""

    model_config = _CLOSED
    field: str
    value: str
    records: int


class Board(pydantic.BaseModel):
    """Everything that the outputs show."""

    model_config = _CLOSED
    schema_version: Literal[2] = SCHEMA
    reference: str
    suites: list[str]
    records: Annotated[int, Field(ge=1)]
    measures: dict[str, Measure]
    joint: list[JointRow]
    fronts: list[Front]
    standings: list[Standing]
    tasks: list[TaskBoard]
    sources: list[Source]
    problems: list[str]
