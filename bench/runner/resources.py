"""What a cell needs of a machine, and what a machine has left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from fflbench.settings import Resources

GB = 1e9


@dataclass
class Machine:
    """Room for cells: `slots` at once, `memory` in GB, `devices` with their free shares. Taken and given back by cell."""

    slots: int
    memory: float
    devices: dict[str, float]

    def fits(self, needs: Resources) -> bool:
        """Whether a cell fits in beside the others."""
        return self.slots > 0 and (needs.memory or 0.0) <= self.memory and self._share(needs) <= self._roomiest()[1] + 1e-9

    def take(self, needs: Resources) -> str:
        """The device for a cell that fits: the one with the most room."""
        device = self._roomiest()[0]
        self._add(device, -1, -(needs.memory or 0.0), -self._share(needs))
        return device

    def give(self, device: str, needs: Resources) -> None:
        """A cell that had `device` is done."""
        self._add(device, 1, needs.memory or 0.0, self._share(needs))

    def _roomiest(self) -> tuple[str, float]:
        return max(self.devices.items(), key=lambda item: item[1])

    def _share(self, needs: Resources) -> float:
        return needs.gpus if self._roomiest()[0].startswith("cuda") else 0.0

    def _add(self, device: str, slots: int, memory: float, share: float) -> None:
        self.slots += slots
        self.memory += memory
        self.devices[device] += share


def at_once(jobs: int, needs: Iterable[Resources], devices: Sequence[str]) -> int:
    """How many cells run at once, of `jobs` that may: those of least need share a GPU."""
    share = min(one.gpus for one in needs)
    return min(jobs, len(devices) * int(1 / share + 1e-9)) if devices[0].startswith("cuda") else jobs


def free_memory() -> float:
    """GB that new processes may take here: what the machine has, or the container that we are in."""
    free = float(psutil.virtual_memory().available)
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        with suppress(OSError, ValueError):
            free = min(free, float(Path(limit).read_text()) - float(Path(used).read_text()))
    return max(free, 0.0) / GB
