"""The tables for a terminal, none wider than 120 columns: wide ones are split by columns."""

from __future__ import annotations

from collections.abc import Iterator

import rich.table
from rich import box
from rich.cells import cell_len
from rich.text import Text

from fflbench.leaderboard.board import Board
from fflbench.leaderboard.overview import joint_table, standing_tables
from fflbench.leaderboard.table import Cell, Line, Table
from fflbench.leaderboard.task_tables import task_tables
from fflbench.leaderboard.wording import plain

WIDTH = 120
LONGEST_NAME = 28
LONGEST_CELL = 20
LONGEST_NOTE = 110
MOST_NOTES = 8
GAP = 2
STYLES = {"failed": "red", "missing": "red", "partial": "yellow", "diverged": "yellow", "mark": "bold green",
          "incompatible": "dim", "not-measured": "dim", "not-applicable": "dim", "reference": "dim"}  # fmt: skip


def tables_for_terminal(board: Board) -> list[rich.table.Table]:
    """The headline tables; labels are text, never markup."""
    views = [
        joint_table(board),
        *standing_tables(board),
        *(view for task in board.tasks for view in task_tables(task) if not view.minor),
    ]
    return [part for view in views for part in _parts(view)]


def _parts(view: Table) -> Iterator[rich.table.Table]:
    first = _name_width(view)
    chunk: list[int] = []
    used, part = first, 0
    for index in range(len(view.columns)):
        width = _width(view, index) + GAP
        if chunk and used + width > WIDTH:
            yield _draw(view, chunk, part)
            chunk, used, part = [], first, part + 1
        chunk.append(index)
        used += width
    if chunk:
        yield _draw(view, chunk, part)


def _draw(view: Table, chunk: list[int], part: int) -> rich.table.Table:
    table = rich.table.Table(
        title=Text("(continued)" if part else view.caption), title_justify="left", title_style="bold",
        caption=_notes(view, chunk), caption_justify="left", box=box.SIMPLE_HEAD, pad_edge=False,
        collapse_padding=True,
    )  # fmt: skip
    table.add_column("Defense", no_wrap=True, max_width=LONGEST_NAME, overflow="ellipsis")
    for index in chunk:
        table.add_column(Text(_heading(view, index)), justify="right", width=_width(view, index), overflow="fold")
    for position, line in enumerate(view.lines):
        starts_references = line.pinned and position and not view.lines[position - 1].pinned
        if starts_references:
            table.add_section()
        table.add_row(_head(line), *(_text(line.cells[index]) for index in chunk))
    return table


def _head(line: Line) -> Text:
    return Text(line.head, style="italic dim" if line.pinned else "bold" if line.marked else "")


def _text(cell: Cell) -> Text:
    return Text(f"{cell.text} *" if cell.small else cell.text, style=STYLES.get(cell.status, ""))


def _notes(view: Table, chunk: list[int]) -> Text | None:
    """What the stars stand for, once for each defense and reason."""
    notes = {f"* {line.head}: {line.cells[i].note}": None for line in view.lines for i in chunk if line.cells[i].small}
    lines = [view.note] if view.note else []
    lines += [plain(note, LONGEST_NOTE) for note in list(notes)[:MOST_NOTES]]
    if len(notes) > MOST_NOTES:
        lines.append(f"* and {len(notes) - MOST_NOTES} more: see the page")
    return Text("\n".join(lines)) if lines else None


def _heading(view: Table, index: int) -> str:
    column = view.columns[index]
    return f"{column.group}\n{column.heading}" if column.group else column.heading


def _width(view: Table, index: int) -> int:
    """As wide as its widest cell, or the longest word of its heading."""
    words = _heading(view, index).split()
    cells = [part for line in view.lines for part in str(_text(line.cells[index])).split("\n")]
    return min(LONGEST_CELL, max(cell_len(text) for text in [*words, *cells, ""]))


def _name_width(view: Table) -> int:
    return min(LONGEST_NAME, max(cell_len(line.head) for line in view.lines)) + GAP
