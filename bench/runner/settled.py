"""Cells that are to be computed, and cells that are done."""

from __future__ import annotations

from dataclasses import dataclass

from fflbench.records import Status
from fflbench.runner.cell import Cell
from fflbench.settings import Resources


@dataclass(frozen=True)
class Finished:
    """A cell that is settled; `new` is False for one that had its record before or got it from another run."""

    cell: Cell
    status: Status
    error: str
    metrics: dict[str, float | None]
    seconds: float
    new: bool


@dataclass
class Group:
    """Cells with the same view: the first is computed, the others repeat its record."""

    view: str
    cells: list[Cell]
    needs: Resources
