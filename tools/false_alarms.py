"""How often the regression gate raises a false alarm, and how often it sees a planted loss: a simulation on the spread of
committed records.

python tools/false_alarms.py            # print the table
python tools/false_alarms.py --write    # put it into docs/ci.md

Every metric of the cells of docs/runs/robustness-core (every third defense, all attacks) is taken apart into its mean, an
effect of the seed (what all defenses under an attack have in common) and noise. A rerun keeps mean and seed effect and draws
the noise anew, on both sides of the comparison: as a change of the code does that shifts every random draw and makes nothing
better or worse.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fflbench.leaderboard.comparison.judge import Series, judge
from fflbench.leaderboard.comparison.significance import fit_prior
from fflbench.leaderboard.comparison.tolerances import default_tolerance
from fflbench.leaderboard.results import load_results

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "ci.md"
RECORDS = ROOT / "docs" / "runs" / "robustness-core"
BEGIN, END = "<!-- table by tools/false_alarms.py -->", "<!-- end of table -->"

NOISES = {
    "tolerance": "normal, in every cell as large as the tolerance (1 point)",
    "normal": "normal, in every cell as large as its records say",
    "t3": "the same with heavy tails (t, 3 degrees of freedom)",
    "redrawn": "normal, each cell's variance drawn from what the records allow",
}
SEEDS = (3, 5)
LOSSES = (2.0, 5.0, 10.0)
AMID = 5.0
EVERY = 3
PLANTED = "accuracy"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """What the records say: a template for each series, and by series its mean, its seed effects [series, seeds] and the
    standard deviation of its noise."""

    templates: list[Series]
    means: Floats
    effects: Floats
    noise: Floats


@cache
def spread(every: int = EVERY) -> Spread:
    """Of every third defense of each task, or whatever `every` says."""
    templates, rows = [], []
    results = load_results(RECORDS)
    for task in results.tasks:
        for defense in task.defenses[::every]:
            for attack in task.attacks:
                cell = task.cell(attack, defense)
                for name in task.metric_names():
                    values = [
                        cell[s].metrics.get(name) if s in cell and cell[s].status == "ok" else None for s in task.seeds
                    ]
                    if None not in values:
                        about = results.measures[name]
                        templates.append(Series(task.track, task.label, attack, defense, task.key, about, {}, {}))
                        rows.append(values)
    table = np.array(rows, dtype=float)
    means = table.mean(1, keepdims=True)
    effects = np.zeros_like(table)
    alike: dict[tuple[str, str | None, str], list[int]] = defaultdict(list)
    for row, one in enumerate(templates):
        alike[one.group, one.attack, one.measure.name].append(row)
    for members in alike.values():
        if len(members) > 3:
            common = np.median(table[members] - means[members], axis=0)
            effects[members] = common - common.mean()
    left = table - means - effects
    return Spread(templates, means, effects, np.sqrt((left**2).sum(1, keepdims=True) / (table.shape[1] - 1)))


def sizes(known: Spread, noise: str, rng: np.random.Generator) -> Floats:
    """The standard deviation of each series' noise [series, 1]."""
    if noise == "tolerance":
        return np.array([[default_tolerance(one.measure)] for one in known.templates])
    if noise != "redrawn":
        return known.noise
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, one in enumerate(known.templates):
        groups[one.group, one.measure.name].append(row)
    drawn, own = known.noise.copy(), known.effects.shape[1] - 1.0
    for members in groups.values():
        variances = known.noise[members, 0] ** 2
        prior = fit_prior(variances, np.full(len(members), own))
        if np.isfinite(prior.freedom) and prior.freedom > 0:
            freedom = prior.freedom + own
            likely = prior.freedom * prior.scale + own * variances
            drawn[members, 0] = np.where(variances > 0, np.sqrt(likely / rng.chisquare(freedom, len(members))), 0)
    return drawn


def sides(known: Spread, noise: str, seeds: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Before and after [series, seeds], not yet cut to the metrics' ranges."""
    size = sizes(known, noise, rng)
    effects = known.effects[:, rng.integers(0, known.effects.shape[1], seeds)]
    shape = (len(known.templates), seeds)
    draws = [rng.standard_t(3, shape) / np.sqrt(3) if noise == "t3" else rng.standard_normal(shape) for _ in range(2)]
    before, after = (known.means + effects + size * draw for draw in draws)
    return before, after


def alarms(known: Spread, before: Floats, after: Floats) -> set[tuple[str, str]]:
    """Defense and metric of every regression that the gate reports."""
    low = np.array([[-np.inf if one.measure.low is None else one.measure.low] for one in known.templates])
    high = np.array([[np.inf if one.measure.high is None else one.measure.high] for one in known.templates])
    tables = [dict_rows(np.clip(side, low, high)) for side in (before, after)]
    series = [replace(one, before=old, after=new) for one, old, new in zip(known.templates, *tables, strict=True)]
    tolerances = {one.measure.name: default_tolerance(one.measure) for one in known.templates}
    judged = judge(series, tolerances)
    found = (change for change in (*judged.changes, *judged.averages) if change.verdict == "regression")
    return {(change.defense, change.measure.name) for change in found}


def dict_rows(table: Floats) -> Iterator[dict[int, float]]:
    return (dict(enumerate(row)) for row in table.tolist())


def rerun(noise: str, seeds: int, every: int, number: int) -> list[bool]:
    """One simulated rerun: a false alarm when everything was drawn anew; one when a single defense was; whether each of
    `LOSSES` was seen on that defense; and whether `AMID` was while everything else was drawn anew as well."""
    known = spread(every)
    rng = np.random.default_rng([number, seeds, list(NOISES).index(noise)])
    before, after = sides(known, noise, seeds, rng)
    names = sorted({one.defense for one in known.templates})
    victim = names[rng.integers(len(names))]
    own = np.array([[one.defense == victim] for one in known.templates])
    hit = own & np.array([[one.measure.name == PLANTED] for one in known.templates])
    seen = [bool(alarms(known, before, after)), bool(alarms(known, before, np.where(own, after, before)))]
    for loss in LOSSES:
        seen.append((victim, PLANTED) in alarms(known, before, np.where(own, after - loss * hit, before)))
    seen.append((victim, PLANTED) in alarms(known, before, after - AMID * hit))
    return seen


def rates(noise: str, seeds: int, runs: int, every: int = EVERY, jobs: int = 1) -> list[float]:
    """The share of reruns in which each of `rerun`'s answers was yes."""
    one = partial(rerun, noise, seeds, every)
    if jobs == 1:
        return [float(rate) for rate in np.mean([one(number) for number in range(runs)], axis=0)]
    with ProcessPoolExecutor(jobs) as pool:
        return [float(rate) for rate in np.mean(list(pool.map(one, range(runs), chunksize=5)), axis=0)]


def table(runs: int, jobs: int) -> str:
    headings = ["noise", "seeds", "false alarm, all changed", "false alarm, one changed"]
    headings += [*(f"{loss:g} points seen, one changed" for loss in LOSSES), f"{AMID:g} points seen, all changed"]
    lines = [f"| {' | '.join(headings)} |", f"|---|{'---:|' * (len(headings) - 1)}"]
    for noise, words in NOISES.items():
        for seeds in SEEDS:
            cells = [f"{100 * rate:.1f}%" for rate in rates(noise, seeds, runs, jobs=jobs)]
            lines.append(f"| {words} | {seeds} | {' | '.join(cells)} |")
            print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200, help="simulated reruns a row")
    parser.add_argument("--jobs", type=int, default=1, help="processes; the table does not depend on it")
    parser.add_argument("--write", action="store_true", help="put the table into docs/ci.md")
    given = parser.parse_args()
    text = table(given.runs, given.jobs)
    if given.write:
        before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
