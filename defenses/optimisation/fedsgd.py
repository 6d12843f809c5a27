"""FedSGD (McMahan et al. 2017): one gradient a round."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from fflbench.contracts import Pipeline, Round, Stage

if TYPE_CHECKING:
    from fflbench.federation.trainer import Trainer

FEDSGD = Pipeline(("one-gradient", "mean"), "Every peer sends one gradient of all its data; the server follows their mean.",
                  "https://arxiv.org/abs/1602.05629", {"weighted": True})  # fmt: skip


@dataclass
class OneGradient(Stage):
    """Peers take one plain gradient step on all their examples instead of the task's local training."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1602.05629"
    assumes: ClassVar[str] = "many rounds"
    cost: ClassVar[str] = "one pass over the peer's data"
    workspace: ClassVar[float] = 0.0

    def local_training(self, trainer: Trainer, peer: int, round: Round) -> Trainer:
        everything = max(round.weights.values(), default=trainer.batch_size)
        return replace(trainer, epochs=1, batch_size=everything, optimiser="sgd", momentum=0.0)
