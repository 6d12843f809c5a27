"""Model replacement (Bagdasaryan et al. 2020): scale the update so that the average becomes the attackers' model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from fflbench.attacks.backdoor.badnets import BadNets
from fflbench.contracts import Round


@dataclass
class ModelReplacement(BadNets):
    """The BadNets trigger; each attacker sends its update `scale` times as long. Without `scale` it is m / b, peers in the
    round by attackers in it, with which the mean moves to the mean of the attackers' models."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1807.00459"
    assumes: ClassVar[str] = "the server takes a mean and does not bound rows; the model has nearly converged"
    cost: ClassVar[str] = "O(b d)"
    workspace: ClassVar[float] = 1.0

    scale: Annotated[float, Field(gt=0)] | None = None

    def poison_updates(self, malicious: Tensor, honest: Tensor | None, round: Round) -> Tensor:
        scale = len(round.peers) / len(malicious) if self.scale is None else self.scale
        return scale * malicious
