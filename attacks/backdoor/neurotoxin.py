"""Neurotoxin (Zhang et al. 2022): plant the backdoor where honest peers hardly move the model, so that it stays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from fflbench.attacks.backdoor.badnets import BadNets
from fflbench.contracts import Round

if TYPE_CHECKING:
    from fflbench.federation.trainer import Trainer


@dataclass
class Neurotoxin(BadNets):
    """The BadNets trigger; the attackers leave alone the `top` share of coordinates that moved most in the last step of the
    global model, their estimate of where honest gradients are large. In the first round they train freely."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2206.10341"
    assumes: ClassVar[str] = "the last global step shows where honest peers train; attackers leave one day"
    cost: ClassVar[str] = "O(d log d) a round"

    top: Annotated[float, Field(gt=0, lt=1)] = 0.05

    seen: tuple[int, Tensor] | None = field(default=None, init=False, repr=False)
    """The last round that was seen, and its global model."""
    forbidden: Tensor | None = field(default=None, init=False, repr=False)

    def local_training(self, trainer: Trainer, peer: int, round: Round) -> Trainer:
        if self.seen is None or self.seen[0] != round.index:
            trained = round.layout.trainable
            if self.seen is not None:
                self.forbidden = largest(round.global_vector[trained] - self.seen[1][trained], self.top)
            self.seen = round.index, round.global_vector.clone()
        forbidden = self.forbidden
        if forbidden is None:
            return trainer

        def restore(flat: Tensor, start: Tensor) -> None:
            flat[forbidden] = start[forbidden]

        return trainer.with_step(restore)


def largest(step: Tensor, share: float) -> Tensor:
    """The indices of the `share` of entries with the largest magnitude."""
    return torch.topk(step.abs(), max(1, int(share * len(step)))).indices
