"""On-off: strike while trusted, behave while not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from fflbench.attacks.adaptive.strike import Blow, struck
from fflbench.contracts import Knowledge, PoisoningAttack, Round


@dataclass
class OnOff(PoisoningAttack):
    """Each attacker rehearses the round with everybody honest; if its trust would then be above the lower quartile by
    `margin` times the interquartile range it deals a blow, otherwise it behaves and recovers.

    Exploits that FFL cuts at the lower quartile: a peer just above it takes part and counts, whatever it did before. Against
    a rule that publishes no trust it always strikes.
    """

    knowledge = Knowledge.OMNISCIENT
    assumes: ClassVar[str] = "the attackers can work out the server's trust"
    cost: ClassVar[str] = "the defense once"
    workspace: ClassVar[float] = 2.4
    rehearses: ClassVar[bool] = True

    margin: Annotated[float, Field(ge=0)] = 0.1
    blow: Blow = "reverse"
    strength: Annotated[float, Field(gt=0)] = 5.0

    def poison_updates(self, malicious: Tensor, honest: Tensor | None, round: Round) -> Tensor:
        blows = struck(malicious, self.blow, self.strength, round)
        if honest is None or round.rehearse is None:
            return blows
        trust = round.rehearse(round.arrange(malicious, honest)).trust
        if not trust:
            return blows
        low, high = torch.quantile(torch.tensor(list(trust.values())), torch.tensor([0.25, 0.75])).tolist()
        level = low + self.margin * (high - low)
        members = [peer for peer in round.peers if peer in round.coalition.members]
        trusted = torch.tensor([trust.get(peer, low) > level for peer in members], device=malicious.device)
        return torch.where(trusted[:, None], blows, malicious)
