"""Where a cell puts its state between rounds (or victims), so that it can go on after its process died."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Keeper:
    """Keeps nothing. `due()` says whether it is time to `save`; `load()` is the last state saved, or None; `resumed` counts
    how often a cell went on from one."""

    resumed: int = 0

    def due(self) -> bool:
        return False

    def save(self, state: Mapping[str, Any]) -> None:
        pass

    def load(self) -> dict[str, Any] | None:
        return None
