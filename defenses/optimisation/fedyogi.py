"""FedYogi (Reddi et al. 2021): as FedAdam, with a second moment that moves by bounded steps."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fflbench.contracts import Pipeline
from fflbench.defenses.optimisation.fedadam import ServerAdam

FEDYOGI = Pipeline(("mean", "server-yogi"), "The mean of the updates, stepped along by Yogi at the server.",
                   "https://arxiv.org/abs/2003.00295")  # fmt: skip


@dataclass
class ServerYogi(ServerAdam):
    """As server-adam, but v <- v - (1 - `beta2`) aggregate^2 sign(v - aggregate^2)."""

    def _second(self, second: Tensor, square: Tensor) -> Tensor:
        return second - (1 - self.beta2) * square * (second - square).sign()
