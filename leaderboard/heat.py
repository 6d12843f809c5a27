"""How a heat map colours its cells: from the worst of the table to the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fflbench.leaderboard.measures import Measure
from fflbench.leaderboard.table import Cell, Column, Line, Table

LEVELS = 9


def heated(table: Table, measure: Measure) -> Table:
    """The table with a heat for each cell that has a value; none where the good direction is not known."""
    values = [cell.sort for line in table.lines for cell in line.cells if cell.sort is not None and not line.pinned]
    if not values or measure.better is None or max(values) == min(values):
        return table
    worst, best = (min(values), max(values)) if measure.better == "higher" else (max(values), min(values))
    return replace(table, lines=tuple(_line(line, table.columns, worst, best) for line in table.lines))


def _line(line: Line, columns: Sequence[Column], worst: float, best: float) -> Line:
    """Each cell with its heat, and the row's weakest marked: what the most harmful attack leaves of a defense."""
    cells = [_cell(cell, worst, best) for cell in line.cells]
    attacked = [cell.sort for cell, column in zip(cells, columns, strict=True) if cell.sort is not None and column.title]
    low = (min if best > worst else max)(attacked, default=None) if not line.pinned and len(attacked) > 1 else None
    marked = [
        replace(cell, weakest=cell.sort == low) if low is not None and column.title else cell
        for cell, column in zip(cells, columns, strict=True)
    ]
    return replace(line, cells=tuple(marked))


def _cell(cell: Cell, worst: float, best: float) -> Cell:
    if cell.sort is None:
        return cell
    share = min(1.0, max(0.0, (cell.sort - worst) / (best - worst)))
    return replace(cell, heat=min(LEVELS - 1, int(share * LEVELS)))
