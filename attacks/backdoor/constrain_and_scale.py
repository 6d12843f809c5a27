"""Constrain and scale (Bagdasaryan et al. 2020): learn the backdoor while staying near the global model, then scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn

from fflbench.attacks.backdoor.model_replacement import ModelReplacement
from fflbench.contracts import Round

if TYPE_CHECKING:
    from fflbench.federation.trainer import Loss, Trainer


@dataclass
class ConstrainAndScale(ModelReplacement):
    """Attackers minimise `alpha` x the loss on their data + (1 - `alpha`) x the squared distance to the global model, and
    scale what comes out as model replacement does."""

    assumes: ClassVar[str] = "the rule looks at distances; what is scaled afterwards still passes"
    cost: ClassVar[str] = "O(d) a step"

    alpha: Annotated[float, Field(gt=0, le=1)] = 0.7

    def local_training(self, trainer: Trainer, peer: int, round: Round) -> Trainer:
        anchor = round.global_vector[round.layout.trainable]

        def wrap(loss: Loss) -> Loss:
            def constrained(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
                distance, offset = anchor.new_zeros(()), 0
                for parameter in (p for p in model.parameters() if p.requires_grad):
                    here = anchor[offset : offset + parameter.numel()].view_as(parameter)
                    distance = distance + (parameter - here).square().sum()
                    offset += parameter.numel()
                return self.alpha * loss(model, inputs, targets) + (1 - self.alpha) * distance

            return constrained

        return trainer.with_loss(wrap)
