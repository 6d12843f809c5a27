"""The trade-off plot: robustness to the right, privacy upwards, one dot a defense, labels that do not overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fflbench.leaderboard.axes import Scale, Tick, padded, padded_percent
from fflbench.leaderboard.board import Board, Front, JointRow
from fflbench.leaderboard.intervals import average
from fflbench.leaderboard.shared import joint_tasks
from fflbench.leaderboard.wording import fixed, plain

WIDTH, HEIGHT = 760.0, 430.0
LEFT, RIGHT, TOP, BOTTOM = 62.0, 742.0, 26.0, 376.0
VIEWS = {"worst": "worst case", "mean": "mean over attacks"}
LETTER, LINE = 6.9, 15.0


@dataclass(frozen=True)
class Box:
    """A rectangle that a label or dot takes up."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, wide) * max(0.0, high)


@dataclass(frozen=True)
class Dot:
    """A defense: a dot at its worst-case accuracy, a thin line to its clean accuracy, a label."""

    name: str
    label: str
    title: str
    worst: float
    clean: float
    height: float
    pareto: bool
    label_x: float
    label_y: float
    anchor: str
    leader: bool


@dataclass(frozen=True)
class Tradeoff:
    """Everything that the plot's template draws."""

    dots: tuple[Dot, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    floor: Tick | None
    width: float = WIDTH
    height: float = HEIGHT


def tradeoff(board: Board, front: Front) -> Tradeoff:
    """The plot of one front."""
    keys = ("clean-accuracy", front.robustness, front.privacy)
    points = {row.defense: point for row in board.joint if (point := _point(row, keys))}
    nothing = _grey(board, front)
    xs = [x for clean, worst, _ in points.values() for x in (clean, worst)]
    ys = [psnr for _, _, psnr in points.values()] + ([nothing] if nothing is not None else [])
    across = Scale(*padded_percent(xs, 0.06, at_least=4), LEFT, RIGHT)
    down = Scale(*padded(ys, 0.1, at_least=4), TOP, BOTTOM)
    rows = {row.defense: row for row in board.joint if row.defense in points}
    places = {name: (across(worst), across(clean), down(psnr)) for name, (clean, worst, psnr) in points.items()}
    return Tradeoff(
        dots=tuple(_dots(rows, places, front, keys, board.reference)),
        x_ticks=tuple(across.ticks(8)),
        y_ticks=tuple(down.ticks(6)),
        floor=None if nothing is None else Tick(down(nothing), fixed(nothing, 1)),
    )


def _point(row: JointRow, keys: Sequence[str]) -> tuple[float, float, float] | None:
    clean, worst, psnr = (row.entries[key].mean for key in keys)
    return None if clean is None or worst is None or psnr is None else (clean, worst, psnr)


def _grey(board: Board, front: Front) -> float | None:
    """What a grey picture scores, over tasks like the dots: below that, nothing leaks."""
    over = max if front.view == "worst" else average
    found = []
    for task in joint_tasks(board.tasks):
        attacks = [line.label for line in task.attacks if line.threat == front.server and task.track == "reconstruction"]
        scores = [task.references.get(attack, {}).get("grey", {}).get("psnr") for attack in attacks]
        if known := [score for score in scores if score is not None]:
            found.append(over(known))
    return average(found) if found else None


def _dots(
    rows: dict[str, JointRow],
    places: dict[str, tuple[float, float, float]],
    front: Front,
    keys: Sequence[str],
    reference: str,
) -> list[Dot]:
    """The front and the reference get their labels first, the others while there is room."""
    taken = [Box(worst - 7, y - 7, worst + 7, y + 7) for worst, _, y in places.values()]
    taken += [Box(clean - 5, y - 5, clean + 5, y + 5) for _, clean, y in places.values()]
    dots = []

    def first(item: tuple[str, tuple[float, float, float]]) -> tuple[bool, float, float, str]:
        name, (worst, _, y) = item
        return name not in (*front.defenses, reference), y, worst, name

    for name, (worst, clean, y) in sorted(places.items(), key=first):
        label = plain(name, 24)
        box, anchor, leader, covers = _free_place(worst, y, len(label) * LETTER, taken)
        if covers and first((name, places[name]))[0]:
            label, leader = "", False  # Too crowded: the dot alone, which says its name when pointed at.
        else:
            taken.append(box)
        row = rows[name]
        dots.append(
            Dot(
                name=name,
                label=label,
                title=_title(row, front, keys),
                worst=worst,
                clean=clean,
                height=y,
                pareto=name in front.defenses,
                label_x=round({"start": box.left, "middle": (box.left + box.right) / 2, "end": box.right}[anchor], 1),
                label_y=round(box.bottom - 3.5, 1),
                anchor=anchor,
                leader=leader,
            )
        )
    return dots


def _free_place(x: float, y: float, width: float, taken: list[Box]) -> tuple[Box, str, bool, bool]:
    """The place for a label nearest to its dot that covers least of what is already there, and whether it covers any."""
    best: tuple[float, Box, str, bool, bool] | None = None
    for radius in (0.0, 16.0, 32.0, 48.0, 64.0):
        for dx, dy, anchor in ((0, -1, "middle"), (0, 1, "middle"), (-1, 0, "end"), (1, 0, "start"),
                               (-1, -1, "end"), (1, -1, "start"), (-1, 1, "end"), (1, 1, "start")):  # fmt: skip
            middle = y + dy * (10 + LINE / 2 + radius)
            side = x + dx * (11 if dy == 0 else 5)
            left = side - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
            box = Box(left, middle - LINE / 2, left + width, middle + LINE / 2)
            outside = max(0, LEFT - box.left) + max(0, box.right - RIGHT) + max(0, TOP - box.top)
            outside += max(0, box.bottom - BOTTOM)
            covered = sum(box.overlap(other) for other in taken) + 50 * outside
            cost = covered + radius * 0.5
            if best is None or cost < best[0] - 1e-9:
                best = (cost, box, anchor, radius > 0 and dy != 0, covered > 0)
    assert best is not None
    return best[1:]


def _title(row: JointRow, front: Front, keys: Sequence[str]) -> str:
    clean, robust, psnr = (row.entries[key].mean or 0 for key in keys)
    mark = ", Pareto" if row.defense in front.defenses else ""
    words = VIEWS[front.view]
    return f"{row.defense}{mark}: clean {fixed(clean, 1)} %, {words} {fixed(robust, 1)} %, PSNR {fixed(psnr, 1)} dB"
