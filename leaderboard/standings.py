"""Who stands where over many tasks and attacks, under each threat model by itself.

A block is one task under one attack: the defenses are ranked in it by what the attack achieved. A defense whose runs failed
or are missing there is last in that block. An attack that cannot be mounted on a defense achieves nothing: the defense then
counts at its accuracy without attackers, and leaks what an observer who knows nothing guesses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fflbench.leaderboard.board import Entry, Row, Standing, StandingRow, TaskBoard, ThreatLine
from fflbench.leaderboard.ranking import Rank, positions
from fflbench.leaderboard.shared import shared_tasks
from fflbench.leaderboard.statistics import Array, critical_difference, friedman, rank_intervals, ranked
from fflbench.leaderboard.totals import DECIDING
from fflbench.records import Track

ALPHA = 0.05
FEWEST_BLOCKS = 5
"""With fewer, ranks say nothing over and above the tables of the tasks."""

TRUE_IMAGE = "true image"
SCORES: dict[Track, dict[str, tuple[str, ...]]] = {
    "poisoning": {"accuracy under attack": ("accuracy",), "attack success": ("attack-success",)},
    "reconstruction": {"what leaks": DECIDING},
}
"""What is ranked in a block: the first of these metrics that the attack has."""


@dataclass(frozen=True)
class Block:
    """Scores [seeds, defenses], more is better; -inf where a defense has a gap."""

    task: str
    scores: Array


def standings(tasks: Sequence[TaskBoard]) -> list[Standing]:
    """One for each track, threat and score that has enough blocks; the poisoning track first, the weakest threat first."""
    found = []
    for track, scores in SCORES.items():
        of_track = [task for task in tasks if task.track == track]
        names = sorted({row.defense for task in of_track for row in task.rows})
        shared = shared_tasks(of_track)
        for threat in _threats(shared):
            for score, metrics in scores.items():
                standing = _standing(track, threat, score, metrics, shared, names)
                if standing is not None and standing.blocks >= FEWEST_BLOCKS:
                    found.append(standing)
    return found


def _threats(tasks: Sequence[TaskBoard]) -> list[ThreatLine]:
    """Every threat once, the weakest first."""
    known = {threat.name: threat for task in tasks for threat in task.threats}
    return sorted(known.values(), key=lambda threat: (threat.suffix != "", threat.name))


def _standing(
    track: Track, threat: ThreatLine, score: str, metrics: Sequence[str], tasks: Sequence[TaskBoard], names: Sequence[str]
) -> Standing | None:
    using = [task for task in tasks if next(_blocks(task, threat.name, metrics, ()), None)]
    if not using:
        return None
    ran = {name: [task.label for task in using if task.row(name)] for name in names}
    complete = [name for name in names if len(ran[name]) == len(using)]
    blocks = [block for task in using for block in _blocks(task, threat.name, metrics, complete)]
    rows = [
        StandingRow(defense=name, note=f"ran on {len(ran[name])} of {len(using)} tasks: not ranked")
        for name in names
        if name not in complete
    ]
    key = f"{track}-{score.replace(' ', '-')}{threat.suffix}"
    about = Standing(key=key, track=track, threat=threat.name, words=threat.words, score=score,
                     tasks=[task.label for task in using], blocks=len(blocks), rows=rows)  # fmt: skip
    return _ranked(about, complete, blocks) if complete else about


def _ranked(about: Standing, names: Sequence[str], blocks: Sequence[Block]) -> Standing:
    ranks = np.stack([ranked(block.scores.mean(axis=0)) for block in blocks])
    gaps = np.stack([np.isneginf(block.scores[0]) for block in blocks]).sum(axis=0)
    means = ranks.mean(axis=0)
    low, high = rank_intervals(ranks)
    p_value = friedman(ranks)
    needed = critical_difference(len(names), len(blocks)) if p_value is not None else None
    order = sorted(range(len(names)), key=lambda i: (means[i], names[i]))
    printed: dict[str, Rank] = {}
    if p_value is not None and needed is not None:
        apart = needed if p_value < ALPHA else float("inf")
        printed = positions(_groups([(names[i], float(means[i])) for i in order], apart))
    rows = [
        StandingRow(defense=names[i], mean_rank=float(means[i]), low=float(low[i]), high=float(high[i]),
                    rank=printed.get(names[i]), gaps=int(gaps[i]))
        for i in order
    ]  # fmt: skip
    return about.model_copy(update={"p_value": p_value, "critical_difference": needed, "rows": [*rows, *about.rows]})


def _groups(means: Sequence[tuple[str, float]], apart: float) -> list[list[str]]:
    """From best to worst, in groups that do not differ from their first by more than `apart`."""
    groups: list[list[str]] = []
    leader = -float("inf")
    for name, mean in means:
        if groups and mean - leader <= apart:
            groups[-1].append(name)
        else:
            groups.append([name])
            leader = mean
    return groups


def _blocks(task: TaskBoard, threat: str, metrics: Sequence[str], names: Sequence[str]) -> Iterator[Block]:
    """The attacks of a threat on a task for which any defense has one of the metrics."""
    rows = [row for name in names if (row := task.row(name))]
    for line in task.attacks:
        if line.clean or line.threat != threat:
            continue
        for metric in metrics:
            if any(row.attacks[line.label][metric].values for row in task.rows if metric in row.attacks[line.label]):
                columns = [_scores(task, row, line.label, metric) for row in rows]
                yield Block(task.label, np.array(columns, dtype=np.float64).reshape(len(rows), len(task.seeds)).T)
                break


def _scores(task: TaskBoard, row: Row, attack: str, metric: str) -> list[float]:
    """What a defense scores by seed, signed so that more is better."""
    about = task.measures[metric]
    sign = -1.0 if about.better == "lower" else 1.0
    entry = row.attacks[attack][metric]
    if entry.status == "incompatible":
        return [sign * value for value in _untouched(task, row, attack, metric)]
    return [sign * value for value in _whole(entry, task.seeds)] or [-np.inf] * len(task.seeds)


def _untouched(task: TaskBoard, row: Row, attack: str, metric: str) -> list[float]:
    """What a defense scores whom the attack cannot reach."""
    clean = next((line.label for line in task.attacks if line.clean), None)
    about, seeds = task.measures[metric], task.seeds
    if about.better == "higher" and clean is not None:
        return _whole(row.attacks[clean][metric], seeds) or [-np.inf] * len(seeds)
    known = [
        scores[metric] for kind, scores in task.references.get(attack, {}).items() if metric in scores and kind != TRUE_IMAGE
    ]
    return [max(known, default=about.low or 0.0)] * len(seeds)


def _whole(entry: Entry, seeds: Sequence[int]) -> list[float]:
    """The values by seed; nothing where one is missing."""
    return [entry.values[seed] for seed in seeds] if all(seed in entry.values for seed in seeds) else []
