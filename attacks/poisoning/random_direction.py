"""Updates that point anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, empty_like

from fflbench.contracts import Knowledge, PoisoningAttack, Round


@dataclass
class RandomDirection(PoisoningAttack):
    """Each attacker sends a uniformly random direction, `scale` times as long as its own update: noise whose size does not
    depend on the task."""

    knowledge = Knowledge.OWN
    assumes: ClassVar[str] = "nothing"
    cost: ClassVar[str] = "O(b d)"
    workspace: ClassVar[float] = 1.0

    scale: Annotated[float, Field(gt=0)] = 10.0

    def poison_updates(self, malicious: Tensor, honest: Tensor | None, round: Round) -> Tensor:
        generator = round.rng.at("random-direction").torch(malicious.device)
        direction = empty_like(malicious).normal_(generator=generator)
        length: Tensor = malicious.norm(dim=1, keepdim=True)
        return direction.mul_(self.scale * length / direction.norm(dim=1, keepdim=True))
