"""Accuracy per round: one panel an attack, one line a defense, a band from the lowest seed to the highest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fflbench.leaderboard.axes import Scale, Tick, padded_percent
from fflbench.leaderboard.intervals import average
from fflbench.leaderboard.results import Task
from fflbench.records import Record

METRIC = "accuracy"
WIDTH, HEIGHT = 330.0, 220.0
LEFT, RIGHT, TOP, BOTTOM = 34.0, 322.0, 10.0, 188.0
MOST_POINTS = 60


@dataclass(frozen=True)
class Point:
    round: int
    low: float
    mean: float
    high: float


@dataclass(frozen=True)
class Line:
    """`path` and `band` are SVG paths; `broken` is where the first seed diverged."""

    defense: str
    path: str
    band: str
    broken: tuple[float, float] | None
    last: float


@dataclass(frozen=True)
class Panel:
    """One attack's figure, with words for those who cannot see it."""

    attack: str
    description: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    width: float = WIDTH
    height: float = HEIGHT


def panels(task: Task) -> list[Panel]:
    """The panels of a task, with the same scales; none where no record has curves."""
    found = {
        attack: {defense: points for defense in task.defenses if (points := _points(task.cell(attack, defense)))}
        for attack in task.attacks
    }
    every = [point for lines in found.values() for points in lines.values() for point in points]
    if not every:
        return []
    across = Scale(0 if len({p.round for p in every}) == 1 else 1, max(point.round for point in every), LEFT, RIGHT)
    up = Scale(*padded_percent([value for point in every for value in (point.low, point.high)], 0.03), BOTTOM, TOP)
    return [_panel(task, attack, lines, across, up) for attack, lines in found.items() if lines]


def _panel(task: Task, attack: str, lines: dict[str, list[Point]], across: Scale, up: Scale) -> Panel:
    drawn = [_line(defense, points, task.cell(attack, defense), across, up) for defense, points in lines.items()]
    ends = ", ".join(f"{line.defense} {line.last:.1f}" for line in sorted(drawn, key=lambda line: -line.last))
    return Panel(
        attack=attack,
        description=f"Accuracy in percent at each line's last round: {ends}.",
        lines=tuple(drawn),
        x_ticks=tuple(tick for tick in across.ticks(5) if float(tick.text).is_integer()),
        y_ticks=tuple(up.ticks(5)),
    )


def _points(records: dict[int, Record]) -> list[Point]:
    """Rounds that every seed reached: a mean that goes on without the seed that fell apart would look like recovery."""
    curves = [record.curves[METRIC] for record in records.values() if record.curves.get(METRIC)]
    points = []
    for index in range(min((len(curve) for curve in curves), default=0)):
        values = [value for curve in curves if (value := curve[index]) is not None]
        if len(values) == len(curves):
            points.append(Point(index + 1, min(values), average(values), max(values)))
    return points


def _line(defense: str, points: list[Point], records: dict[int, Record], across: Scale, up: Scale) -> Line:
    kept = thinned(points)
    places = [(across(p.round), up(p.mean)) for p in kept]
    band = ""
    if len(records) > 1 and len(kept) > 1:
        band = _path([(across(p.round), up(p.high)) for p in kept] + [(across(p.round), up(p.low)) for p in kept[::-1]])
    diverged = any(record.status == "diverged" for record in records.values())
    return Line(defense, _path(places), band and f"{band}Z", places[-1] if diverged else None, points[-1].mean)


def thinned(points: Sequence[Point]) -> list[Point]:
    """At most `MOST_POINTS` of them, evenly, the last one always."""
    step = -(-len(points) // MOST_POINTS)
    return list(points[::-1][::step][::-1])


def _path(places: list[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in places)
