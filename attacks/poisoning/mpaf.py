"""MPAF (Cao and Gong 2022): fake clients that pull the global model towards a random one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from fflbench.attacks.poisoning.visible import sent_by_all
from fflbench.contracts import Knowledge, PoisoningAttack, Round


@dataclass
class MPAF(PoisoningAttack):
    """All send `scale` (base model - global model) and need no data. The base model is an untrained one: the first global
    model that they saw, the entries of each tensor shuffled."""

    knowledge = Knowledge.OWN
    paper: ClassVar[str] = "https://arxiv.org/abs/2203.08669"
    assumes: ClassVar[str] = "fake peers can join; no rule that bounds a row"
    cost: ClassVar[str] = "O(d)"
    workspace: ClassVar[float] = 0.1

    scale: Annotated[float, Field(gt=0)] = 1e6

    base: Tensor | None = field(default=None, init=False, repr=False)

    def poison_updates(self, malicious: Tensor, honest: Tensor | None, round: Round) -> Tensor:
        if self.base is None:
            self.base = self._untrained(round)
        return sent_by_all(self.scale * (self.base - round.global_vector), malicious)

    @staticmethod
    def _untrained(round: Round) -> Tensor:
        generator = round.rng.at("mpaf").numpy()
        tensors = [part.flatten() for _, part in round.layout.split(round.global_vector)]
        return torch.cat([part[torch.from_numpy(generator.permutation(len(part))).to(part.device)] for part in tensors])
