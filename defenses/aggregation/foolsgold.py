"""FoolsGold (Fung et al. 2018): peers whose contributions look alike over the rounds are one attacker in disguise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from fflbench.contracts import Aggregate, Aggregator, Layout, Round, Upload


@dataclass
class FoolsGold(Aggregator):
    """Weighs each upload by how unlike any other peer its peer's accumulated output-layer update is: the maximal cosine,
    with pardoning, rescaled by a logit and cut to [0, 1]. When nobody keeps weight, all weigh the same."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1808.04866"
    follows_peers: ClassVar[bool] = True
    assumes: ClassVar[str] = "attackers share an aim and so resemble each other; honest peers have different data"
    cost: ClassVar[str] = "O(n d), and over all peers N that took part O(N^2) in the size of the output layer"
    workspace: ClassVar[float] = 0.1

    memory: dict[int, Tensor] = field(default_factory=dict, init=False, repr=False)

    def remembers(self, layout: Layout) -> int:
        return int(layout.last_weight.stop - layout.last_weight.start)

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        for peer, row in zip(upload.peers, upload.rows[:, round.layout.last_weight], strict=True):
            self.memory[peer] = self.memory[peer] + row if peer in self.memory else row.clone()
        known = sorted(self.memory)
        weights = dict(zip(known, foolsgold_weights(torch.stack([self.memory[p] for p in known])).tolist(), strict=True))
        own = torch.tensor([weights[peer] for peer in upload.peers], device=upload.rows.device)
        used = own if own.sum() > 0 else torch.ones_like(own)
        return Aggregate(used / used.sum() @ upload.rows, {p: weights[p] for p in upload.peers})


def foolsgold_weights(history: Tensor) -> Tensor:
    """The weight [n] in [0, 1] of each accumulated update [n, k]."""
    unit = F.normalize(history.double(), dim=1)
    cosine = (unit @ unit.T).fill_diagonal_(0)
    closest = cosine.max(1).values
    pardon = closest[:, None] / closest[None]
    cosine = torch.where(closest[:, None] < closest[None], cosine * pardon, cosine)
    weights = (1 - cosine.max(1).values).clamp(0, 1)
    if weights.max() == 0:
        return weights
    weights = (weights / weights.max()).clamp(max=0.99)
    return ((weights / (1 - weights)).log() + 0.5).clamp(0, 1)
