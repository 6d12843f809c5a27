"""The strength that hurts most, found by trying it on the defense itself: shared by opt-ipm and opt-alie."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from fflbench.attacks.poisoning.visible import sent_by_all
from fflbench.contracts import Round

_GOLDEN = (5**0.5 - 1) / 2


def strongest(
    make: Callable[[float], Tensor], malicious: Tensor, honest: Tensor, round: Round, smallest: float, largest: float,
    evaluations: int,
) -> Tensor:  # fmt: skip
    """Of the rows `make(strength)` [d] the one that carries the defense's step farthest from the honest mean.

    Half of the `evaluations` go over a geometric grid from `smallest` to `largest`, the rest close in on its best point.
    """
    assert round.rehearse is not None
    rehearse, centre = round.rehearse, honest.mean(0)
    tried: dict[float, float] = {}

    def harm(strength: float) -> float:
        if strength not in tried:
            rows = round.arrange(sent_by_all(make(strength), malicious), honest)
            tried[strength] = float((rehearse(rows).vector - centre).norm().nan_to_num(nan=float("inf")))
        return tried[strength]

    steps = max(2, evaluations // 2)
    grid = [smallest * (largest / smallest) ** (k / (steps - 1)) for k in range(steps)]
    best = max(range(steps), key=lambda k: harm(grid[k]))
    low, high = grid[max(0, best - 1)], grid[min(steps - 1, best + 1)]
    while len(tried) + 2 <= evaluations:
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        low, high = (low, right) if harm(left) >= harm(right) else (left, high)
    return make(max(tried, key=lambda strength: tried[strength]))
