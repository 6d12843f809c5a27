"""Partner framing: swap poison into the partner's upload, upload a clean row oneself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from fflbench.attacks.adaptive.strike import Blow, struck
from fflbench.contracts import Knowledge, PoisoningAttack, Round


@dataclass
class PartnerFraming(PoisoningAttack):
    """Attackers exchange fragments of a blow but upload their honest update, whatever the coalition's strategy.

    Exploits that FFL blames the one who uploads: the partner carries the poison and loses reputation, the attacker earns it.
    Without an exchange of fragments nothing harmful is ever sent.
    """

    knowledge = Knowledge.OWN
    assumes: ClassVar[str] = "peers swap fragments before they upload, and nobody checks what was swapped"
    cost: ClassVar[str] = "O(b d)"
    workspace: ClassVar[float] = 2.0

    blow: Blow = "reverse"
    strength: Annotated[float, Field(gt=0)] = 5.0

    clean: dict[int, Tensor] = field(default_factory=dict, init=False, repr=False)
    """The honest update of this round, by member."""

    def poison_updates(self, malicious: Tensor, honest: Tensor | None, round: Round) -> Tensor:
        members = [peer for peer in round.peers if peer in round.coalition.members]
        self.clean = dict(zip(members, malicious.clone(), strict=True))
        return struck(malicious, self.blow, self.strength, round)

    def poison_upload(self, peers: tuple[int, ...], own: Tensor, shared: Tensor, round: Round) -> Tensor:
        return torch.stack([self.clean[peer] for peer in peers])
