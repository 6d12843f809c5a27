"""How to run a suite."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from fflbench.execution import FULL, Execution
from fflbench.runner.local import Limits

RESERVE = 2 * 2**20
"""Bytes of disk for a record and its pictures."""

MOST_WRITERS = 16
"""Cells that are thought to end at the same moment."""


@dataclass(frozen=True)
class Settings:
    """How to run a suite. `jobs` None is as many as there is room for on the cluster at `ray`; `retry_failed` runs failed
    cells again; `fail_fast` stops at the first that fails; `checkpoint` is in seconds."""

    jobs: int | None = 1
    execution: Execution = FULL
    only: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    plugins: tuple[Path, ...] = ()
    limits: Limits = field(default_factory=Limits)
    retry_failed: bool = False
    fail_fast: bool = False
    checkpoint: float = 60.0
    ray: str | None = None

    @property
    def reserve(self) -> int:
        """Bytes of disk kept free for the results of cells that run now; on a cluster the driver writes them one by one."""
        return RESERVE * (1 if self.ray else min(self.jobs or 1, MOST_WRITERS))
