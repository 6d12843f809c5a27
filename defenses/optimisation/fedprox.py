"""FedProx (Li et al. 2020): peers are held near the global model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn

from fflbench.contracts import Pipeline, Round, Stage

if TYPE_CHECKING:
    from fflbench.federation.trainer import Trainer

FEDPROX = Pipeline(("proximal", "mean"), "Peers minimise their loss + mu/2 ||w - w_global||^2; the server takes the mean.",
                   "https://arxiv.org/abs/1812.06127")  # fmt: skip


@dataclass
class Proximal(Stage):
    """Adds `mu` (w - w_global) to every local gradient: the proximal term mu/2 ||w - w_global||^2."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1812.06127"
    assumes: ClassVar[str] = "peers with different data drift apart in local training"
    cost: ClassVar[str] = "O(d) a local step"
    workspace: ClassVar[float] = 0.0

    mu: Annotated[float, Field(ge=0)] = 0.01

    def local_training(self, trainer: Trainer, peer: int, round: Round) -> Trainer:
        anchor, network = round.global_vector[round.layout.trainable], trainer.network

        def pull(model: nn.Module, inputs: Tensor, targets: Tensor, gradient: Tensor) -> None:
            gradient += self.mu * (network.leaf.detach() - anchor)

        return trainer.with_gradient(pull)
