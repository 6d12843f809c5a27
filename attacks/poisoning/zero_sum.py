"""Zero sum: the attackers undo what the others learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from fflbench.attacks.poisoning.visible import sent_by_all, visible_rows
from fflbench.blocks import by_columns
from fflbench.contracts import Knowledge, PoisoningAttack, Round


@dataclass
class ZeroSum(PoisoningAttack):
    """All send minus the sum of the honest updates, shared out among them, so that everything adds up to zero."""

    knowledge = Knowledge.OMNISCIENT
    paper: ClassVar[str] = "https://arxiv.org/abs/1805.10032"
    assumes: ClassVar[str] = "the server takes a mean; breaks it exactly"
    cost: ClassVar[str] = "O(h d)"
    workspace: ClassVar[float] = 0.1

    def poison_updates(self, malicious: Tensor, honest: Tensor | None, round: Round) -> Tensor:
        total = by_columns(visible_rows(malicious, honest), lambda block: block.double().sum(0))
        return sent_by_all((-total / len(malicious)).float(), malicious)
