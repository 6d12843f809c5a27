"""Updates as whole numbers of 32 bits, so that masks cancel exactly when they are added up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]


def encode(row: NDArray[np.float32], bound: float, peers: int) -> tuple[Words, int]:
    """Entries [d] between -`bound` and `bound` as multiples of `resolution(bound, peers)`, and how many had to be moved
    there: larger ones to the bound, those that are no numbers to 0."""
    row = row.astype(np.float64)
    outside = int((~(np.abs(row) <= bound)).sum())
    row = np.clip(np.nan_to_num(row, nan=0.0, posinf=bound, neginf=-bound), -bound, bound)
    return np.rint(row / resolution(bound, peers)).astype(np.int32).view(np.uint32), outside


def decode(total: Words, bound: float, peers: int) -> NDArray[np.float64]:
    """The sum [d] of updates of at most that many peers."""
    return total.view(np.int32).astype(np.float64) * resolution(bound, peers)


def resolution(bound: float, peers: int) -> float:
    """The step between neighbouring values, as small as keeps the sum of that many peers within 32 bits."""
    return bound / ((2**31 - 1) // peers)
