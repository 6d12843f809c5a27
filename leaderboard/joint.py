"""The joint view over both tracks: accuracy x robustness x privacy x overhead, and who is on the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence

from fflbench.leaderboard.board import Entry, JointRow, Row, TaskBoard
from fflbench.leaderboard.entries import compared
from fflbench.leaderboard.intervals import average, combine, t_interval
from fflbench.leaderboard.ranking import Better, pareto_front
from fflbench.records import Track

COLUMNS: dict[str, Track] = {
    "clean-accuracy": "poisoning",
    "worst-accuracy": "poisoning",
    "worst-psnr": "reconstruction",
    "worst-ssim": "reconstruction",
    "seconds-per-round": "poisoning",
    "megabytes-per-upload": "poisoning",
}
FRONT: dict[str, Better] = {"clean-accuracy": "higher", "worst-accuracy": "higher", "worst-psnr": "lower"}


def joint_rows(tasks: Sequence[TaskBoard], reference: str) -> list[JointRow]:
    """A row for each defense of any task: on the front first, then by worst-case accuracy."""
    names = sorted({row.defense for task in tasks for row in task.rows})
    rows = {name: JointRow(defense=name, entries=_entries(name, tasks)) for name in names}
    anchor = rows.get(reference)
    points = {name: point for name, row in rows.items() if (point := _point(row))}
    front = pareto_front(points, list(FRONT.values()))
    finished = [
        row.model_copy(
            update={
                "pareto": name in front,
                "entries": {
                    key: compared(entry, anchor.entries[key] if anchor and anchor is not row else None)
                    for key, entry in row.entries.items()
                },
            }
        )
        for name, row in rows.items()
    ]
    return sorted(finished, key=_place)


def _point(row: JointRow) -> list[float]:
    """Where a defense stands; empty where a cell is missing or failed, for gaps must not help."""
    entries = [row.entries[key] for key in FRONT]
    whole = all(entry.status in ("ok", "diverged") for entry in entries)
    return [entry.mean for entry in entries if entry.mean is not None] if whole else []


def _place(row: JointRow) -> tuple[bool, bool, float, str]:
    worst = row.entries["worst-accuracy"].mean
    return not row.pareto, worst is None, -(worst or 0), row.defense


def _entries(defense: str, tasks: Sequence[TaskBoard]) -> dict[str, Entry]:
    return {
        key: _over_tasks(key, defense, [task for task in tasks if task.track == track]) for key, track in COLUMNS.items()
    }


def _over_tasks(key: str, defense: str, tasks: Sequence[TaskBoard]) -> Entry:
    """The mean over the track's tasks, seed by seed; a defense that lacks one of them is not measured."""
    tasks = [task for task in tasks if any(row.totals[key].status != "not applicable" for row in task.rows)]
    if not tasks:
        return Entry(status="not measured", note="no results on this track")
    rows = [_row(task, defense) for task in tasks]
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


def _row(task: TaskBoard, defense: str) -> Row | None:
    return next((row for row in task.rows if row.defense == defense), None)
