"""Central differential privacy (McMahan et al. 2018): a trusted server clips, averages and adds noise to the mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from fflbench.contracts import Aggregate, Aggregator, Round, Upload, Visibility
from fflbench.defenses.aggregation.row_sums import lengths, scaled_mean_of
from fflbench.defenses.privacy.accountant import epsilon
from fflbench.defenses.privacy.clip import shortening


@dataclass
class CentralDP(Aggregator):
    """The mean of the uploads, each scaled down to norm `clip`, plus N(0, (`noise` `clip` / n)^2). What is published is
    private, the single uploads lie open before the server. The record says the epsilon at `delta`, with a peer's updates of
    all rounds as the secret and peers drawn without replacement."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1710.06963"
    needs: ClassVar[Visibility] = Visibility.INDIVIDUAL
    assumes: ClassVar[str] = "the server is trusted; many peers, so that the noise of the mean is small"
    cost: ClassVar[str] = "O(n d)"
    workspace: ClassVar[float] = 0.1

    clip: Annotated[float, Field(gt=0)] = 1.0
    noise: Annotated[float, Field(gt=0)] = 1.0
    delta: Annotated[float, Field(gt=0, lt=1)] = 1e-5

    spent: list[tuple[int, int]] = field(default_factory=list, init=False, repr=False)
    """How many of how many peers took part, by round."""

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        self.spent.append((len(round.peers), round.task.peers))
        mean = scaled_mean_of(upload.rows, range(len(upload.rows)), shortening(lengths(upload.rows), self.clip))
        generator = round.rng.at("central-dp").torch(mean.device)
        scale = self.noise * self.clip / len(upload.rows)
        return Aggregate(mean + torch.empty_like(mean).normal_(0, scale, generator=generator))

    def notes(self) -> dict[str, object]:
        if not self.spent:
            return {}
        largest = max(self.spent)
        return {"central epsilon": epsilon(self.noise, len(self.spent), self.delta, largest), "delta": self.delta}
