"""What goes wrong in a protocol between peers and server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """What went wrong with a peer's part in a round. `culprit`: whose fault it is, None where nobody can tell."""

    peer: int
    what: str
    culprit: int | None = None


def culprits_of(faults: Iterable[Fault]) -> tuple[int, ...]:
    """Everybody whose fault something is known to be."""
    return tuple(sorted({fault.culprit for fault in faults if fault.culprit is not None}))


def tallied(faults: Iterable[Fault], tally: dict[str, int]) -> None:
    """Count in `tally` how often what went wrong."""
    for fault in faults:
        tally[fault.what] = tally.get(fault.what, 0) + 1
