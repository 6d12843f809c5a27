"""Projected gradient descent (Sun et al. 2019, Wang et al. 2020): a backdoored update that is never too long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from fflbench.attacks.backdoor.badnets import BadNets
from fflbench.contracts import Round

if TYPE_CHECKING:
    from fflbench.federation.trainer import Trainer


@dataclass
class PGD(BadNets):
    """The BadNets trigger; after every local step the attacker's model is put back into the ball of `radius` around the
    global model, so a server that clips at that norm changes nothing. The update is sent `scale` times as long."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1911.07963"
    assumes: ClassVar[str] = "radius is at most the norm that the server accepts"
    cost: ClassVar[str] = "O(d) a step"
    workspace: ClassVar[float] = 1.0

    radius: Annotated[float, Field(gt=0)] = 1.0
    scale: Annotated[float, Field(gt=0)] = 1.0

    def local_training(self, trainer: Trainer, peer: int, round: Round) -> Trainer:
        trained = round.layout.trainable

        def project(flat: Tensor, start: Tensor) -> None:
            step = flat[trained] - start[trained]
            length = float(step.norm())
            if length > self.radius:
                flat[trained] = start[trained] + step * (self.radius / length)

        return trainer.with_step(project)

    def poison_updates(self, malicious: Tensor, honest: Tensor | None, round: Round) -> Tensor:
        return self.scale * malicious
