"""FedAvgM (Hsu et al. 2019): momentum at the server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from fflbench.contracts import Pipeline, Round, ServerStep

FEDAVGM = Pipeline(("mean", "server-momentum"), "The mean of the updates, with momentum at the server.",
                   "https://arxiv.org/abs/1909.06335")  # fmt: skip


@dataclass
class ServerMomentum(ServerStep):
    """v <- `momentum` v + aggregate; the step is `rate` v. Batch-norm statistics take the aggregate as it is."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1909.06335"
    assumes: ClassVar[str] = "rounds whose updates agree; momentum also carries poison on"
    cost: ClassVar[str] = "O(d)"

    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    rate: Annotated[float, Field(gt=0)] = 1.0

    velocity: Tensor | None = field(default=None, init=False, repr=False)

    def step(self, vector: Tensor, round: Round) -> Tensor:
        trained = round.layout.trainable
        self.velocity = vector[trained] if self.velocity is None else self.momentum * self.velocity + vector[trained]
        step = vector.clone()
        step[trained] = self.rate * self.velocity
        return step
