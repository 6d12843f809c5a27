"""Inverting the coordinates of a mixed upload that are the victim's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fflbench.attacks.reconstruction.inverting_gradients import InvertingGradients
from fflbench.attacks.reconstruction.labels import labels_of
from fflbench.attacks.reconstruction.simulation import cosine_cost
from fflbench.contracts import Observation, Reconstruction, Rng


@dataclass
class FragmentInversion(InvertingGradients):
    """An observer that knows which coordinates were exchanged, but holds neither the partner's upload nor its help: a mask
    that was guessed, leaked, or derived from a weak secret. It inverts the others as `inverting-gradients` does."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2003.14053"
    reads_masks: ClassVar[bool] = True
    assumes: ClassVar[str] = "the mask is known; few images an update, few local steps"

    def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
        assert seen.own is not None
        labels = labels_of(seen, rng)
        return self.inverted(seen, labels, cosine_cost(self.shorter(seen), seen.own[seen.layout.trainable]), rng)
