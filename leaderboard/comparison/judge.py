"""From pairs of cells to verdicts: worse beyond the tolerance, and more than noise.

Two families of tests share the level `LEVEL`, half for each, and Holm's procedure holds each half. *Averages*: for each
task, defense and metric the mean over attacks, seed by seed. What a change of a defense does, it mostly does under every
attack, and the mean over attacks shows it long before any cell does. *Cells*: one attack each, for what one alone shows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from fflbench.leaderboard.comparison.pairs import Pair
from fflbench.leaderboard.comparison.significance import Test, distinct, holm, moderated_tests
from fflbench.leaderboard.comparison.verdicts import Change, Verdict
from fflbench.leaderboard.intervals import average, combine
from fflbench.leaderboard.measures import Measure
from fflbench.records import Track

LEVEL = 0.05
"""The chance of any false alarm in a comparison, over both families. docs/ci.md has what comes out on real spreads."""


@dataclass(frozen=True)
class Series:
    """One metric by seed, before and after, on a cell or (attack None) as the mean over a defense's attacks. `floor`: the
    variance that its differences have at least. `test` has corrected p values; None where nothing was tested."""

    track: Track
    task: str
    attack: str | None
    defense: str
    group: str
    measure: Measure
    before: dict[int, float]
    after: dict[int, float]
    floor: float = 0.0
    test: Test | None = None

    @cached_property
    def goodness(self) -> list[float]:
        """After minus before by seed, positive where the defense got better."""
        sign = -1.0 if self.measure.better == "lower" else 1.0
        return [sign * (self.after[seed] - self.before[seed]) for seed in sorted(self.before)]

    @property
    def changed(self) -> bool:
        return any(self.goodness)

    @property
    def testable(self) -> bool:
        return self.measure.better is not None and len(self.before) > 1 and self.changed


def series_of(pairs: Iterable[Pair], measures: dict[str, Measure]) -> list[tuple[Pair, Series]]:
    """Every metric of every cell that has it in both, on at least one seed."""
    found = []
    for one in pairs:
        for name in sorted({name for record in one.before.values() for name in record.metrics}):
            shared = one.shared(name)
            if shared:
                task, attack, defense = one.labels
                before, after = ({seed: values[side] for seed, values in shared.items()} for side in (0, 1))
                group = f"{one.track}/{one.specification.task.model_dump_json()}"
                series = Series(one.track, task, attack, defense, group, measures[name], before, after)
                found.append((one, series))
    return found


def averages_of(series: Iterable[Series]) -> list[Series]:
    """The mean over attacks of each defense and metric, where at least two cells changed: of one, it says nothing more."""
    rows: dict[tuple[str, str, str], list[Series]] = defaultdict(list)
    for one in series:
        rows[one.group, one.defense, one.measure.name].append(one)
    found = []
    for row in rows.values():
        if sum(one.testable for one in row) > 1:
            before, after = (combine(side, average) for side in zip(*((one.before, one.after) for one in row), strict=True))
            floor = sum(float(np.var(one.goodness, ddof=1)) for one in row if len(one.before) > 1) / len(row) ** 2
            found.append(replace(row[0], attack=None, before=before, after=after, floor=floor))
    return [one for one in found if one.testable]


def tested(family: Sequence[Series], tolerances: dict[str, float], share: float) -> list[Series]:
    """The same series, those that can be tested with their corrected p values: the family gets that share of the level."""
    chosen = [k for k, one in enumerate(family) if one.testable and tolerances[one.measure.name] < float("inf")]
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for k in chosen:
        groups[family[k].group, family[k].measure.name].append(k)
    raw: dict[int, Test] = {}
    for members in groups.values():
        raw.update(zip(members, _tests([family[k] for k in members]), strict=True))
    lead = [chosen[k] for k in _distinct(family, chosen)]
    heads = sorted(set(lead))
    worse = dict(zip(heads, holm([raw[k].worse for k in heads]), strict=True))
    better = dict(zip(heads, holm([raw[k].better for k in heads]), strict=True))
    done = list(family)
    for k, head in zip(chosen, lead, strict=True):
        corrected = (min(1.0, worse[head] / share), min(1.0, better[head] / share))
        done[k] = replace(family[k], test=replace(raw[k], worse=corrected[0], better=corrected[1]))
    return done


def _tests(group: Sequence[Series]) -> list[Test]:
    return moderated_tests([one.goodness for one in group], [one.floor for one in group])


def _distinct(family: Sequence[Series], chosen: Sequence[int]) -> list[int]:
    """Positions in `chosen` of the first series of the same task, attack and metric with the same differences."""
    keys: dict[tuple[str, str | None, str, int], int] = {}
    same = distinct([family[k].goodness for k in chosen])
    return [
        keys.setdefault((family[k].group, family[k].attack, family[k].measure.name, same[position]), position)
        for position, k in enumerate(chosen)
    ]


@dataclass(frozen=True)
class Judged:
    """The change of each series, in their order, and of the averages over attacks; `tested` are the series with tests, and
    `share` is what of the level they had."""

    changes: list[Change]
    averages: list[Change]
    tested: list[Series]
    share: float


def judge(series: Sequence[Series], tolerances: dict[str, float]) -> Judged:
    """Test both families, each with its half of the level (cells with all of it where there are no averages), and give every
    series its verdict."""
    means = averages_of(series)
    share = 0.5 if means else 1.0
    cells, means = tested(series, tolerances, share), tested(means, tolerances, share)
    changes, averages = ([change_of(one, tolerances[one.measure.name]) for one in side] for side in (cells, means))
    return Judged(changes, averages, cells, share)


def change_of(one: Series, tolerance: float) -> Change:
    """The series with its verdict."""
    before, after = average(list(one.before.values())), average(list(one.after.values()))
    gain = average(one.goodness)
    test = one.test
    return Change(
        track=one.track,
        task=one.task,
        attack=one.attack,
        defense=one.defense,
        measure=one.measure,
        before=before,
        after=after,
        difference=-gain if one.measure.better == "lower" else gain,
        tolerance=tolerance,
        seeds=len(one.before),
        error=test.error if test else None,
        p=(test.worse if gain < 0 else test.better) if test else None,
        verdict=_verdict(one, gain, tolerance),
    )


def _verdict(one: Series, gain: float, tolerance: float) -> Verdict:
    """One seed has no spread to judge by: the tolerance alone decides. The difference is real, for the engine repeats
    itself bit for bit; whether other seeds would show it, nobody can say from one."""
    if one.measure.better is None or tolerance == float("inf"):
        return "not judged"
    if not one.changed:
        return "same"
    if abs(gain) <= tolerance:
        return "within tolerance"
    if one.test is not None and (one.test.worse if gain < 0 else one.test.better) > LEVEL:
        return "within noise"
    return "regression" if gain < 0 else "improvement"
