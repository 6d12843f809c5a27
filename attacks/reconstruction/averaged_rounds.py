"""Inverting what the uploads of many rounds have in common: the victim stays, its partners change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from torch import Tensor

from fflbench.attacks.reconstruction.inverting_gradients import InvertingGradients
from fflbench.contracts import Observation, Reconstruction, Rng


@dataclass
class AveragedRounds(InvertingGradients):
    """While the global model moves little, a victim with the same examples sends nearly the same update every round, and
    what it got from changing partners averages out: entry by entry the `median` of its uploads is its own where it kept it
    in more than half of the rounds, and the `mean` tends to its own update times the share that it keeps. The result is
    inverted as `inverting-gradients` does."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2003.14053"
    least_rounds: ClassVar[int] = 2
    assumes: ClassVar[str] = "the victim trains on the same examples, the model moves little, partners change"

    by: Literal["median", "mean"] = "median"

    def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
        return super().reconstruct(replace(seen, update=self.common(seen)), rng)

    def common(self, seen: Observation) -> Tensor:
        """What the victim's uploads [d] of all rounds have in common; a sum is of everybody's."""
        return seen.history.median(0).values if self.by == "median" else seen.history.mean(0)
