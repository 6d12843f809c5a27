"""A table of text, laid out once for the terminal, Markdown, LaTeX and the page: its cells, lines and columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fflbench.leaderboard.board import Entry
from fflbench.leaderboard.measures import Measure
from fflbench.leaderboard.ranking import Rank
from fflbench.leaderboard.wording import plain, with_interval

DASH = "\N{EN DASH}"


@dataclass(frozen=True)
class Column:
    """`better` decides which way a first click sorts; `attack` is set where the column is about one."""

    heading: str
    title: str = ""
    better: str = "higher"
    group: str = ""
    attack: str = ""


@dataclass(frozen=True)
class Cell:
    """`small` is the note shortened, `note` in full; `sort` is None where there is nothing to sort by; `detail` is the
    drill-down's anchor; `heat` goes from 0, the worst of its table, to 8, the best; `weakest` is the worst of its row;
    `span` are low, middle and high of an interval as shares of the axis that its column has."""

    text: str
    small: str = ""
    note: str = ""
    sort: float | None = None
    status: str = "ok"
    title: str = ""
    detail: str = ""
    heat: int | None = None
    weakest: bool = False
    span: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Line:
    """A row: a defense, or (`pinned`) a reference that stays at the bottom when sorting."""

    head: str
    cells: tuple[Cell, ...]
    note: str = ""
    pinned: bool = False
    marked: bool = False


@dataclass(frozen=True)
class Table:
    """`minor` tables are left out of the terminal. `groups`: headings over several columns. `note` stands under it."""

    key: str
    caption: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    minor: bool = False
    groups: tuple[tuple[str, int], ...] = ()
    note: str = ""


def make_table(
    key: str, caption: str, columns: Sequence[Column], lines: Sequence[Line], minor: bool = False, note: str = ""
) -> Table:
    groups: list[tuple[str, int]] = []
    for column in columns:
        if groups and groups[-1][0] == column.group and column.group:
            groups[-1] = (column.group, groups[-1][1] + 1)
        else:
            groups.append((column.group, 1))
    shown = tuple(groups) if any(name for name, _ in groups) else ()
    return Table(key, caption, tuple(columns), tuple(lines), minor=minor, groups=shown, note=note)


def column_of(measure: Measure, group: str = "") -> Column:
    title = f"{measure.heading}, {measure.better} is better" if measure.better else measure.heading
    heading = measure.heading[:1].upper() + measure.heading[1:]
    return Column(heading, title, measure.better or "higher", group)


def entry_cell(entry: Entry, measure: Measure, detail: str = "") -> Cell:
    """An entry in words: its mean and interval, or why there is none."""
    if entry.mean is None:
        text = DASH if entry.status == "not applicable" else entry.status
        small = entry.note.removeprefix(f"{entry.status}: ") if entry.note != entry.status else ""
        status = entry.status.replace(" ", "-")
        return Cell(text, plain(small.split("; ")[0], 48), entry.note, None, status, entry.note or entry.status, detail)
    places = measure.decimals(entry.mean)
    text = with_interval(entry.mean, entry.half_width, places)
    title = f"{measure.label}: mean of {entry.seeds} of {entry.asked} seeds" + (f"; {entry.note}" if entry.note else "")
    gap = entry.difference
    if gap is not None:
        half = None if gap.high is None else gap.high - gap.mean
        title += f"; to the reference {with_interval(gap.mean, half, places, signed=True)}"
    return Cell(text, plain(entry.note.split("; ")[0], 48), entry.note, entry.mean, entry.status, title, detail)


def reference_cell(value: float | None, measure: Measure) -> Cell:
    if value is None:
        return Cell(DASH, status="not-applicable")
    return Cell(with_interval(value, None, measure.decimals(value)), sort=value, status="reference")


def rank_cell(rank: Rank | None, note: str) -> Cell:
    if rank is None:
        return Cell(DASH, status="rank")
    title = "shares this rank: the difference to the best of the group is not distinguishable" if rank.tied else ""
    title = f"incomplete: {note}" if note else title
    return Cell(str(rank), sort=rank.position, status="rank", title=title)
