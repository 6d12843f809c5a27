"""Inner-product manipulation (Xie et al. 2019): turn the aggregate's inner product with the true direction negative."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from fflbench.attacks.poisoning.visible import sent_by_all, visible_rows
from fflbench.contracts import Knowledge, PoisoningAttack, Round


@dataclass
class InnerProductManipulation(PoisoningAttack):
    """All send -`tau` times the mean of the updates that they know. The paper tries small values (0.1, 0.5) against Krum and
    larger ones against the median."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1903.03936"
    assumes: ClassVar[str] = "against the mean b tau > h; against others a tau that hides in the honest spread"
    cost: ClassVar[str] = "O(h d)"
    workspace: ClassVar[float] = 0.1

    tau: Annotated[float, Field(gt=0)] = 2.0
    knowledge: Knowledge = Knowledge.OMNISCIENT

    def poison_updates(self, malicious: Tensor, honest: Tensor | None, round: Round) -> Tensor:
        return sent_by_all(-self.tau * visible_rows(malicious, honest).mean(0), malicious)
