"""What runs cells: worker processes here, or a Ray cluster. The run hands out cells and hears what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from fflbench.records import Record
from fflbench.runner.cell import Cell
from fflbench.settings import Resources


@dataclass(frozen=True)
class Ended:
    """A cell that a backend is done with: its record, or why there is none. `died`: its process did, by itself."""

    cell: Cell
    record: Record | None
    error: str = ""
    died: bool = False


class Backend(Protocol):
    """Runs cells at the same time, each with what it needs."""

    @property
    def workers(self) -> int:
        """How many cells run at once at most, for people."""
        ...

    def fits(self, needs: Resources) -> bool:
        """Whether there is room for such a cell now."""
        ...

    def start(self, cell: Cell, needs: Resources) -> None:
        """Start a cell for which there is room."""
        ...

    def wait(self, seconds: float) -> list[Ended]:
        """What ended; waits at most that long for something to."""
        ...

    def close(self) -> None:
        """Stop what is running."""
        ...
