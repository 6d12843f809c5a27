"""The blow that the adaptive attacks deal when they do."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from fflbench.contracts import Round

Blow = Literal["reverse", "noise"]


def struck(own: Tensor, blow: Blow, strength: float, round: Round) -> Tensor:
    """Updates [b, d] turned against the model: `reverse` is minus `strength` times each; `noise` a random direction,
    `strength` times as long as each."""
    if blow == "reverse":
        return -strength * own
    generator = round.rng.at("strike").torch(own.device)
    direction = torch.empty_like(own).normal_(generator=generator)
    length: Tensor = own.norm(dim=1, keepdim=True)
    return direction.mul_(strength * length / direction.norm(dim=1, keepdim=True))
