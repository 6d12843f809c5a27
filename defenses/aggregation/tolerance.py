"""How many attackers a rule is built to survive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from fflbench.contracts import TaskView

Count = Annotated[int, Field(ge=0)]


@dataclass
class Tolerance:
    """A part that tolerates `f` attackers, by default as many as the task says, and needs an honest majority."""

    f: Count | None = None

    def asked(self, tolerated: int) -> int:
        """The number of attackers to tolerate."""
        return tolerated if self.f is None else self.f

    def bearable(self, tolerated: int, uploads: int) -> int:
        """That number among this many uploads, of which some may have been lost: never half of them."""
        return min(self.asked(tolerated), (uploads - 1) // 2)

    def unfit(self, uploads: int, tolerated: int, task: TaskView) -> str | None:
        f = self.asked(tolerated)
        return None if uploads > 2 * f else needs(f"more than 2 f = {2 * f}", f, uploads)


def needs(enough: str, f: int, uploads: int) -> str:
    """The line that refuses too few uploads."""
    return f"needs {enough} uploads to tolerate f = {f} attackers, has {uploads}"
