"""Inner-product manipulation (Xie et al. 2019) with the strength that hurts this defense most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from fflbench.attacks.poisoning.line_search import LineSearch


@dataclass
class OptimisedIPM(LineSearch):
    """All send -tau times the honest mean; tau, up to `largest`, is searched every round by rehearsing the whole defense
    `evaluations` times and keeping what moves its step farthest from the honest mean."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1903.03936"
    workspace: ClassVar[float] = 2.1
    rehearses: ClassVar[bool] = True

    def row(self, strength: float, mean: Tensor, spread: Tensor) -> Tensor:
        return -strength * mean
