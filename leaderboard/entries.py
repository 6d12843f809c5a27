"""One number of the leaderboard: from the records of a cell, or of several, to a mean with everything to be said of it.

A diverged cell counts at what was measured before it fell apart, else at the worst that the metric's range allows
(accuracy 0). Failed and missing cells have no value. A score over attacks exists for the seeds on which every attack
that can be mounted has one; incompatible attacks do not count, for an attack that cannot be mounted is no threat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from fflbench.leaderboard.board import Difference, Entry
from fflbench.leaderboard.intervals import Series, combine, t_interval
from fflbench.leaderboard.intervals import difference as paired_difference
from fflbench.leaderboard.measures import Measure
from fflbench.leaderboard.results import Task
from fflbench.leaderboard.wording import plain
from fflbench.records import Record

ALWAYS = "accuracy"
"""The metric that every trained model has."""


@dataclass(frozen=True)
class Standing:
    """How the seeds of one cell ended, and why."""

    asked: int
    done: int
    diverged: int
    failed: int
    incompatible: int
    reason: str

    @property
    def impossible(self) -> bool:
        """Every record says that the defense and the attack do not fit."""
        return self.incompatible > 0 and not (self.done or self.failed)

    @property
    def complete(self) -> bool:
        return self.impossible or self.done == self.asked

    def gaps(self) -> list[str]:
        """What keeps the cell from being whole, in words."""
        lines = [f"{self.diverged} of {self.asked} diverged"] if self.diverged else []
        if self.failed:
            lines.append(f"failed: {self.reason}" if self.failed == self.asked else
                         f"{self.failed} of {self.asked} failed: {self.reason}")  # fmt: skip
        missing = self.asked - self.done - self.failed - self.incompatible
        if missing:
            lines.append("missing" if missing == self.asked else f"{missing} of {self.asked} missing")
        return lines


def standing(task: Task, attack: str, defense: str) -> Standing:
    """How the cell ended, over all seeds of the task."""
    records = task.cell(attack, defense).values()
    count = {status: sum(r.status == status for r in records) for status in ("ok", "diverged", "failed", "incompatible")}
    wanted = "failed" if count["failed"] else "incompatible"
    reason = next((r.error for r in records if r.status == wanted and r.error.strip()), "no reason recorded")
    return Standing(
        asked=len(task.seeds),
        done=count["ok"] + count["diverged"],
        diverged=count["diverged"],
        failed=count["failed"],
        incompatible=count["incompatible"],
        reason=plain(reason, 200),
    )


def applies(task: Task, attack: str, metric: str) -> bool:
    """Whether any defense has a value of that metric under that attack."""
    return any(
        record.metrics.get(metric) is not None for defense in task.defenses for record in task.cell(attack, defense).values()
    )


def values(task: Task, attack: str, defense: str, measure: Measure) -> dict[int, float]:
    """The metric by seed, of the cells that ran."""
    found: dict[int, float] = {}
    fallback = measure.worst if _expected(task, attack, defense, measure) else None
    for seed, record in task.cell(attack, defense).items():
        if record.status not in ("ok", "diverged"):
            continue
        value = record.metrics.get(measure.name)
        if value is None and record.status == "diverged":
            value = fallback
        if value is not None:
            found[seed] = value
    return found


def _expected(task: Task, attack: str, defense: str, measure: Measure) -> bool:
    """Whether a model that fell apart would have had this metric. Shares of test examples belong to the attack; other
    scores (trust in peers) also need a defense that has them elsewhere. A reconstruction has no model to fall apart."""
    if task.track != "poisoning":
        return False
    if measure.name == ALWAYS or measure.unit == "%":
        return measure.name == ALWAYS or applies(task, attack, measure.name)
    row = (record for other in task.attacks for record in task.cell(other, defense).values())
    return applies(task, attack, measure.name) and any(r.metrics.get(measure.name) is not None for r in row)


def cell_entry(task: Task, attack: str, defense: str, measure: Measure) -> Entry:
    """The entry of one cell."""
    state = standing(task, attack, defense)
    asked = state.asked
    if state.impossible:
        return Entry(status="incompatible", note=f"incompatible: {state.reason}", asked=asked)
    found = values(task, attack, defense, measure)
    if not found and _nothing_to_measure(task, [state]):
        return Entry(status="not applicable", asked=asked)
    return _entry(found, [state], state.gaps())


def total_entry(
    task: Task, attacks: Sequence[str], defense: str, measure: Measure, how: Callable[[list[float]], float]
) -> Entry:
    """A score over several attacks, seed by seed."""
    asked = len(task.seeds)
    states = {attack: standing(task, attack, defense) for attack in attacks}
    counted = {attack: state for attack, state in states.items() if not state.impossible}
    if not counted:
        first = next(iter(states.values()), None)
        if first is None:
            return Entry(status="not applicable", asked=asked)
        return Entry(status="incompatible", note=f"incompatible: {first.reason}", asked=asked)
    lines = [f"{attack}: {line}" for attack, state in counted.items() for line in state.gaps()]
    series = [values(task, attack, defense, measure) for attack in counted]
    if not any(series) and _nothing_to_measure(task, counted.values()):
        return Entry(status="not applicable", asked=asked)
    return _entry(combine(series, how), list(counted.values()), lines)


def _nothing_to_measure(task: Task, states: Iterable[Standing]) -> bool:
    """Everything ran, so a metric without a value has none. A diverged reconstruction is a gap all the same."""
    return all(s.done == s.asked and (task.track == "poisoning" or not s.diverged) for s in states)


def cost_entry(task: Task, defense: str, cost: Callable[[Record], float | None]) -> Entry:
    """What the defense costs, seed by seed the mean over the attacks that ran."""
    by_seed: dict[int, list[float]] = {}
    for attack in task.attacks:
        for seed, record in task.cell(attack, defense).items():
            value = cost(record) if record.status in ("ok", "diverged") else None
            if value is not None:
                by_seed.setdefault(seed, []).append(value)
    states = [standing(task, attack, defense) for attack in task.attacks]
    counted = [state for state in states if not state.impossible]
    if not counted:
        return Entry(status="incompatible", note=f"incompatible: {states[0].reason}", asked=len(task.seeds))
    if not by_seed:
        return Entry(status="not applicable", asked=len(task.seeds))
    return _entry({seed: sum(found) / len(found) for seed, found in by_seed.items()}, [], [], len(task.seeds))


def _entry(found: Series, states: Sequence[Standing], lines: list[str], asked: int = 0) -> Entry:
    asked = asked or states[0].asked
    interval = t_interval([found[seed] for seed in sorted(found)])
    diverged = any(state.diverged for state in states)
    if interval is None:
        failed = any(state.failed for state in states)
        status = "failed" if failed else "diverged" if diverged else "missing"
        return Entry(status=status, note="; ".join(lines), asked=asked)  # type: ignore[arg-type]
    if interval.seeds < asked:
        lines = [f"{interval.seeds} of {asked} seeds", *lines]
    return Entry(
        status="partial" if interval.seeds < asked else "diverged" if diverged else "ok",
        note="; ".join(lines),
        mean=interval.mean,
        low=interval.low,
        high=interval.high,
        seeds=interval.seeds,
        asked=asked,
        values=dict(found),
    )


def compared(entry: Entry, reference: Entry | None) -> Entry:
    """The entry with its seed-paired difference to the reference's."""
    gap = None if reference is None else paired_difference(entry.values, reference.values)
    if gap is None:
        return entry
    shown = Difference(mean=gap.mean, low=gap.low, high=gap.high, seeds=gap.seeds)
    return entry.model_copy(update={"difference": shown})
