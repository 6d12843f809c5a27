"""Sign flipping: walk away from what was learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from fflbench.attacks.poisoning.visible import sent_by_all, visible_rows
from fflbench.contracts import Knowledge, PoisoningAttack, Round


@dataclass
class SignFlip(PoisoningAttack):
    """Each attacker sends minus its own update, `scale` times as long. With `knowledge` "coalition" or "omniscient" all send
    minus the mean of the updates that they know."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1811.03761"
    assumes: ClassVar[str] = "the mean can be pulled past zero: b scale > h"
    cost: ClassVar[str] = "O(b d)"
    workspace: ClassVar[float] = 1.0

    scale: Annotated[float, Field(gt=0)] = 1.0
    knowledge: Knowledge = Knowledge.OWN

    def poison_updates(self, malicious: Tensor, honest: Tensor | None, round: Round) -> Tensor:
        if self.knowledge is Knowledge.OWN:
            return -self.scale * malicious
        return sent_by_all(-self.scale * visible_rows(malicious, honest).mean(0), malicious)
