"""A comparison as data: what `fflbench compare --json` writes. Its JSON Schema is `Comparison.model_json_schema()`."""

from __future__ import annotations

from typing import Literal

import pydantic

from fflbench.leaderboard.measures import Measure
from fflbench.records import Number, Track

SCHEMA: Literal[1] = 1
Verdict = Literal["regression", "improvement", "within noise", "within tolerance", "same", "not judged"]
Outcome = Literal["broken", "regression", "improvement", "fine", "unusable in both", "new"]
Pace = Literal["slower", "faster", "same", "missing", "new"]
_CLOSED = pydantic.ConfigDict(extra="forbid", frozen=True)


class Change(pydantic.BaseModel):
    """One metric, before and after, over the `seeds` that both have. `attack` None: the mean over the defense's attacks.

    `difference` is after minus before, `error` its moderated standard error, `p` the corrected p value in the direction that
    it went. All three of the last are None where nothing was tested: one seed, no difference, or no direction.
    """

    model_config = _CLOSED
    track: Track
    task: str
    attack: str | None
    defense: str
    measure: Measure
    before: Number
    after: Number
    difference: Number
    tolerance: float
    seeds: int
    error: Number | None = None
    p: Number | None = None
    verdict: Verdict

    @pydantic.field_serializer("tolerance")
    def _finite(self, value: float) -> float | None:
        return value if value < float("inf") else None

    @property
    def place(self) -> str:
        """Task, attack, defense, for people."""
        return f"{self.task} / {self.attack or 'mean of attacks'} / {self.defense}"


class ComparedCell(pydantic.BaseModel):
    """One task, attack and defense. `problems`: what broke, a line each; `digest`: of its specification without the seed."""

    model_config = _CLOSED
    track: Track
    task: str
    attack: str
    defense: str
    digest: str
    outcome: Outcome
    problems: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()

    @property
    def place(self) -> str:
        return f"{self.task} / {self.attack} / {self.defense}"


class Visible(pydantic.BaseModel):
    """The smallest loss that half of a task's cells would have shown as a regression, in the metric's unit."""

    model_config = _CLOSED
    track: Track
    task: str
    measure: Measure
    loss: Number
    cells: int


class Speed(pydantic.BaseModel):
    """One benchmark: medians in seconds and their ratio, after to before; None where it is missing or new."""

    model_config = _CLOSED
    name: str
    before: Number | None
    after: Number | None
    ratio: Number | None
    pace: Pace


class Comparison(pydantic.BaseModel):
    """What changed from the baseline to the results. `averages` are means over a defense's attacks; `remarks` are lines that
    a reader should know; `speeds` are there where benchmarks were compared."""

    model_config = _CLOSED
    schema_version: Literal[1] = SCHEMA
    baseline: str
    results: str
    cells: tuple[ComparedCell, ...]
    averages: tuple[Change, ...] = ()
    visible: tuple[Visible, ...] = ()
    speeds: tuple[Speed, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def changes(self) -> list[Change]:
        """Averages first: they say most."""
        return [*self.averages, *(change for cell in self.cells for change in cell.changes)]

    @property
    def regressions(self) -> list[Change]:
        return [change for change in self.changes if change.verdict == "regression"]

    @property
    def improvements(self) -> list[Change]:
        return [change for change in self.changes if change.verdict == "improvement"]

    @property
    def broken(self) -> list[ComparedCell]:
        return self.having("broken")

    @property
    def slower(self) -> list[Speed]:
        """Benchmarks that got slower or are missing."""
        return [speed for speed in self.speeds if speed.pace in ("slower", "missing")]

    @property
    def passed(self) -> bool:
        return not (self.regressions or self.broken or self.slower)

    def having(self, outcome: Outcome) -> list[ComparedCell]:
        return [cell for cell in self.cells if cell.outcome == outcome]
