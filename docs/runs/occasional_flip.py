"""The FFL authors' notebooks give an attacker a rate at which it attacks: 1, but for the trimmed mean on Adult, where it is
0.5. This is their label flip with that rate, for docs/runs/paper-rate.toml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from torch import Tensor, nn

from fflbench.attacks.poisoning.label_flip import LabelFlip
from fflbench.contracts import Coalition, Examples, Rng, Round, TaskView
from fflbench.registry import register

if TYPE_CHECKING:
    from fflbench.federation.trainer import Loss, Trainer


@register("occasional-label-flip")
@dataclass
class OccasionalLabelFlip(LabelFlip):
    """As `label-flip`, but in every round each attacker decides anew whether it flips: with probability `rate` it does."""

    rate: Annotated[float, Field(ge=0, le=1)] = 0.5

    def poison_examples(self, examples: Examples, peer: int, coalition: Coalition, task: TaskView, rng: Rng) -> Examples:
        return examples

    def local_training(self, trainer: Trainer, peer: int, round: Round) -> Trainer:
        rng, flip = round.rng.at("flips", peer=peer), super().poison_examples
        if rng.numpy().random() >= self.rate:
            return trainer

        def flipping(loss: Loss) -> Loss:
            def of_flipped(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
                flipped = flip(Examples(inputs, targets), peer, round.coalition, round.task, rng)
                return loss(model, flipped.inputs, flipped.targets)

            return of_flipped

        return trainer.with_loss(flipping)
