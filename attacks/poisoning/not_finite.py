"""Updates that are not numbers: what an implementation does with them, rather than a rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, full_like, inf, nan

from fflbench.contracts import Knowledge, PoisoningAttack, Round


@dataclass
class Infinity(PoisoningAttack):
    """Every entry is infinite."""

    knowledge = Knowledge.OWN
    assumes: ClassVar[str] = "the server does not look at what it averages"
    cost: ClassVar[str] = "O(b d)"
    workspace: ClassVar[float] = 1.0

    def poison_updates(self, malicious: Tensor, honest: Tensor | None, round: Round) -> Tensor:
        return full_like(malicious, inf)


@dataclass
class NotANumber(PoisoningAttack):
    """Every entry is NaN."""

    knowledge = Knowledge.OWN
    assumes: ClassVar[str] = "the server does not look at what it averages"
    cost: ClassVar[str] = "O(b d)"
    workspace: ClassVar[float] = 1.0

    def poison_updates(self, malicious: Tensor, honest: Tensor | None, round: Round) -> Tensor:
        return full_like(malicious, nan)
