"""FedAdam (Reddi et al. 2021): the server treats the aggregate as a gradient of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from fflbench.contracts import Pipeline, Round, ServerStep

FEDADAM = Pipeline(("mean", "server-adam"), "The mean of the updates, stepped along by Adam at the server.",
                   "https://arxiv.org/abs/2003.00295")  # fmt: skip


@dataclass
class ServerAdam(ServerStep):
    """m <- `beta1` m + (1 - `beta1`) aggregate, v <- `beta2` v + (1 - `beta2`) aggregate^2; the step is `rate` m /
    (sqrt(v) + `tau`). v starts at tau^2, nothing is bias-corrected. Batch-norm statistics take the aggregate as it is."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2003.00295"
    assumes: ClassVar[str] = "rate and tau fit the task: steps are about rate in every coordinate"
    cost: ClassVar[str] = "O(d)"

    rate: Annotated[float, Field(gt=0)] = 0.01
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.99
    tau: Annotated[float, Field(gt=0)] = 1e-3

    first: Tensor | None = field(default=None, init=False, repr=False)
    second: Tensor | None = field(default=None, init=False, repr=False)

    def step(self, vector: Tensor, round: Round) -> Tensor:
        trained = round.layout.trainable
        delta = vector[trained]
        if self.first is None or self.second is None:
            self.first, self.second = torch.zeros_like(delta), torch.full_like(delta, self.tau**2)
        self.first = self.beta1 * self.first + (1 - self.beta1) * delta
        self.second = self._second(self.second, delta.square())
        step = vector.clone()
        step[trained] = self.rate * self.first / (self.second.sqrt() + self.tau)
        return step

    def _second(self, second: Tensor, square: Tensor) -> Tensor:
        return self.beta2 * second + (1 - self.beta2) * square
