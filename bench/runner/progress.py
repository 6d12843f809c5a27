"""How far cells are that run now, from the notes that workers leave."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from fflbench.records import RecordStore


@dataclass(frozen=True)
class Progress:
    """Rounds or victims `done` of `total` (0 before the first); `since` is when the cell was begun, in seconds."""

    done: int
    total: int
    since: float


def progress_of(store: RecordStore, digests: Iterable[str]) -> dict[str, Progress]:
    """By digest, of those cells that say."""
    found = {}
    for path in map(store.note, digests):
        try:
            values = json.loads(path.read_text())
            found[path.stem] = Progress(int(values["done"]), int(values["total"]), float(values["since"]))
        except (OSError, ValueError, TypeError, LookupError):
            continue
    return found
