"""The strength that hurts most, found by trying it on the defense itself (Shejwalkar and Houmansadr 2021, as ByzFL runs
it): shared by opt-ipm and opt-alie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from fflbench.attacks.poisoning.visible import deviation, sent_by_all, visible_rows
from fflbench.contracts import Knowledge, PoisoningAttack, Round

_GOLDEN = (5**0.5 - 1) / 2


@dataclass
class LineSearch(PoisoningAttack):
    """All send one row that a strength decides; the strength, up to `largest`, is searched every round by rehearsing the
    whole defense `evaluations` times and keeping what moves its step farthest from the honest mean."""

    knowledge = Knowledge.OMNISCIENT
    assumes: ClassVar[str] = "the attackers can run the server's defense"
    cost: ClassVar[str] = "evaluations x the defense"

    evaluations: Annotated[int, Field(ge=4)] = 20
    largest: Annotated[float, Field(gt=0.01)] = 100.0

    def row(self, strength: float, mean: Tensor, spread: Tensor) -> Tensor:
        """What all send [d], from mean and standard deviation [d] of the honest rows."""
        raise NotImplementedError

    def poison_updates(self, malicious: Tensor, honest: Tensor | None, round: Round) -> Tensor:
        rows = visible_rows(malicious, honest)
        mean, spread = rows.mean(0), deviation(rows)
        if honest is None or len(honest) == 0:
            return sent_by_all(self.row(1.0, mean, spread), malicious)

        def make(strength: float) -> Tensor:
            return self.row(strength, mean, spread)

        return sent_by_all(strongest(make, malicious, honest, round, 0.01, self.largest, self.evaluations), malicious)


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
