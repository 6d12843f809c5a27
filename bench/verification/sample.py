"""Which cells of a submission are run again: drawn from a seed, spread over tasks, attacks, defenses and seeds."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable

from fflbench.records import Record

ASKED = frozenset({"ok", "diverged", "incompatible"})
"""A failed cell states nothing that could be checked; one that claims to be incompatible does."""


def sample(
    records: Iterable[Record], count: int, seed: int, submission: str, seconds: float | None
) -> tuple[list[Record], int]:
    """Up to `count` records, always the same of one submission for one `seed`, and how many were left out because they state
    to have taken longer than `seconds`. Nobody can know which before the seed is chosen."""
    possible = [record for record in records if record.status in ASKED]
    quick = [record for record in possible if seconds is None or sum(record.seconds.values()) <= seconds]
    order = {record.digest: _ticket(seed, submission, record.digest) for record in quick}
    drawn: list[Record] = []
    used: Counter[tuple[str, str]] = Counter()
    left = sorted(quick, key=lambda record: order[record.digest])
    while left and len(drawn) < count:
        record = min(left, key=lambda one: sum(used[axis] for axis in _axes(one)))
        left.remove(record)
        drawn.append(record)
        used.update(_axes(record))
    return drawn, len(possible) - len(quick)


def _axes(record: Record) -> list[tuple[str, str]]:
    spec = record.specification
    return [("task", f"{spec.track} {spec.task.label}"), ("attack", spec.attack.label), ("defense", spec.defense.label),
            ("seed", str(spec.seed)), ("status", record.status)]  # fmt: skip


def _ticket(seed: int, submission: str, record: str) -> str:
    return hashlib.sha256(f"{seed} {submission} {record}".encode()).hexdigest()
