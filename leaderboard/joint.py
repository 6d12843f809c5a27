"""The joint view over both tracks: accuracy x robustness x privacy x overhead, and who is on the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Literal

from fflbench.leaderboard.board import Entry, Front, JointRow, TaskBoard
from fflbench.leaderboard.costs import MEGABYTES, SECONDS
from fflbench.leaderboard.entries import compared
from fflbench.leaderboard.intervals import average, combine, t_interval
from fflbench.leaderboard.ranking import pareto_front
from fflbench.leaderboard.shared import joint_tasks
from fflbench.records import Track

CLEAN = "clean-accuracy"
POISONING = ("worst-accuracy", "mean-accuracy", "worst-attack-success", "worst-source-accuracy", "mean-detection-auc")
RECONSTRUCTION = ("worst-psnr", "worst-ssim", "mean-psnr")
COSTS = (SECONDS.name, MEGABYTES.name)
VIEWS: tuple[Literal["worst", "mean"], ...] = ("worst", "mean")


def joint(tasks: Sequence[TaskBoard], reference: str) -> tuple[list[JointRow], list[Front]]:
    """A row for each defense of any task, those on the first front at the top, and the front under each pair of threats."""
    names = sorted({row.defense for task in tasks for row in task.rows})
    tasks = joint_tasks(tasks)
    columns = _columns(tasks)
    measured = {
        (key, track): [task for task in tasks if task.track == track and _measures(task, key)] for key, track in columns
    }
    rows = {name: {key: _over_tasks(key, name, some) for (key, _), some in measured.items()} for name in names}
    fronts = _fronts(rows, tasks)
    front = fronts[0].defenses if fronts else []
    anchor = rows.get(reference, {})
    found = [
        JointRow(
            defense=name,
            pareto=name in front,
            entries={
                key: entry if name == reference else compared(entry, anchor.get(key)) for key, entry in entries.items()
            },
        )
        for name, entries in rows.items()
    ]
    order = fronts[0].order if fronts else _order(rows, front, _robustness(columns))
    return sorted(found, key=lambda row: order.index(row.defense)), fronts


def _columns(tasks: Sequence[TaskBoard]) -> list[tuple[str, Track]]:
    """The scores of the joint view, by threat, with the track that measures them."""
    attackers, servers = _suffixes(tasks, "poisoning"), _suffixes(tasks, "reconstruction")
    found: list[tuple[str, Track]] = [(CLEAN, "poisoning")]
    found += [(f"{score}{suffix}", "poisoning") for score in POISONING for suffix in attackers]
    found += [(f"{score}{suffix}", "reconstruction") for score in RECONSTRUCTION for suffix in servers]
    return found + [(cost, "poisoning") for cost in COSTS]


def _suffixes(tasks: Sequence[TaskBoard], track: Track) -> dict[str, str]:
    """The threats of a track by what is put behind the names of their scores, the weakest first."""
    found = {threat.suffix: threat.name for task in tasks if task.track == track for threat in task.threats}
    return dict(sorted(found.items())) or {"": ""}


def _robustness(columns: Sequence[tuple[str, Track]]) -> str:
    return next(key for key, _ in columns if key.startswith(POISONING[0]))


def _fronts(rows: dict[str, dict[str, Entry]], tasks: Sequence[TaskBoard]) -> list[Front]:
    """The worst case first, then the mean, each for every attacker and server; without those nobody was measured on."""
    found = []
    attackers, servers = _suffixes(tasks, "poisoning"), _suffixes(tasks, "reconstruction")
    for view, (after, attacker), (behind, server) in product(VIEWS, attackers.items(), servers.items()):
        robustness, privacy = f"{view}-accuracy{after}", f"{view}-psnr{behind}"
        points = {name: point for name, row in rows.items() if (point := _point(row, (CLEAN, robustness, privacy)))}
        if points:
            front = pareto_front(points, ("higher", "higher", "lower"))
            found.append(Front(view=view, attackers=attacker, server=server, robustness=robustness, privacy=privacy,
                               defenses=sorted(front), order=_order(rows, front, robustness)))  # fmt: skip
    return found


def _order(rows: dict[str, dict[str, Entry]], front: Sequence[str] | set[str], robustness: str) -> list[str]:
    """On the front first, then by robustness, then those that have none."""

    def place(name: str) -> tuple[bool, bool, float, str]:
        score = rows[name][robustness].mean
        return name not in front, score is None, -(score or 0), name

    return sorted(rows, key=place)


def _point(row: dict[str, Entry], keys: Sequence[str]) -> list[float]:
    """Where a defense stands; empty where a cell is missing or failed, for gaps must not help."""
    entries = [row[key] for key in keys]
    whole = all(entry.status in ("ok", "diverged") for entry in entries)
    return [entry.mean for entry in entries if entry.mean is not None] if whole else []


def _over_tasks(key: str, defense: str, tasks: Sequence[TaskBoard]) -> Entry:
    """The mean over tasks, seed by seed; a defense that lacks one of them is not measured."""
    if not tasks:
        return Entry(status="not measured", note="no results on this track")
    rows = [task.row(defense) for task in tasks]
    entries = [row.totals[key] for row in rows if row is not None]
    if len(tasks) == 1 and entries:
        return entries[0].model_copy(update={"difference": None})
    with_value = [entry for entry in entries if entry.mean is not None]
    if len(with_value) < len(tasks):
        note = f"measured on {len(with_value)} of {len(tasks)} tasks"
        gap = next((entry.note for entry in entries if entry.mean is None and entry.note), "")
        return Entry(status="not measured", note=f"{note}; {gap}" if gap else note)
    shared = combine([entry.values for entry in with_value], average)
    asked = max(entry.asked for entry in with_value)
    interval = t_interval(list(shared.values()))
    if interval is None:
        return Entry(status="not measured", note="tasks share no seed", asked=asked)
    notes = [entry.note for entry in with_value if entry.note]
    status = "partial" if interval.seeds < asked else "diverged" if notes else "ok"
    return Entry(
        status=status,  # type: ignore[arg-type]
        note="; ".join(dict.fromkeys(notes)),
        mean=interval.mean,
        low=interval.low,
        high=interval.high,
        seeds=interval.seeds,
        asked=asked,
        values=shared,
    )


def _measures(task: TaskBoard, key: str) -> bool:
    """Whether the task has that score for any defense."""
    return any(key in row.totals and row.totals[key].status != "not applicable" for row in task.rows)
