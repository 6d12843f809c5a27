"""Guessing which coordinates of one mixed upload are the victim's own, and its images, together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from fflbench.attacks.reconstruction.inverting_gradients import InvertingGradients
from fflbench.attacks.reconstruction.labels import labels_of
from fflbench.attacks.reconstruction.simulation import Cost, seen_direction, simulated_direction
from fflbench.contracts import Observation, Reconstruction, Rng


@dataclass
class MaskGuessing(InvertingGradients):
    """Needs one upload and nothing else. A guess of the victim's images agrees with the upload where that is the victim's
    own, and by chance where it is the partner's: in every step only the share `keep` of the coordinates counts whose product
    of simulated and seen is largest. Otherwise as `inverting-gradients`."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2003.14053"
    assumes: ClassVar[str] = "few images an update, few local steps; at least `keep` of the coordinates are the victim's own"

    keep: Annotated[float, Field(gt=0, le=1)] = 0.5

    def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
        labels = labels_of(seen, rng)
        return self.inverted(seen, labels, agreeing_cost(self.shorter(seen), self.keep), rng)


def agreeing_cost(seen: Observation, keep: float) -> Cost:
    """1 - cosine of simulated and seen direction over the share of the entries whose products are largest; 1 when nothing
    was seen."""
    target = seen_direction(seen)
    count = max(1, round(keep * len(target)))

    def cost(inputs: Tensor, labels: Tensor) -> Tensor:
        simulated = simulated_direction(seen, inputs, labels)
        kept = (simulated.detach() * target).topk(count, sorted=False).indices
        own, theirs = simulated[kept], target[kept]
        similarity: Tensor = own @ theirs / (own.norm() * theirs.norm()).clamp(min=1e-12)
        return 1 - similarity

    return cost
