"""Inverting the sum of a pair's two mixed uploads, which is the sum of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from fflbench.attacks.reconstruction.inverting_gradients import InvertingGradients
from fflbench.attacks.reconstruction.labels import labels_of
from fflbench.attacks.reconstruction.simulation import Cost, cosine_cost
from fflbench.contracts import Observation, Reconstruction, Rng


@dataclass
class PairSum(InvertingGradients):
    """Exchanged coordinates only change owners, so the two mixed uploads of a pair sum to what the two peers would have
    sent: a batch of both peers' examples, inverted as `inverting-gradients` does. Without a pair it is that attack."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2003.14053"
    reads_pairs: ClassVar[bool] = True
    assumes: ClassVar[str] = "the server has both uploads of a pair; few images an update, few local steps"

    def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
        both = pair_of(seen)
        if both is None:
            return super().reconstruct(seen, rng)
        labels = labels_of(together(seen, both), rng)
        return replace(self.inverted(seen, labels, self.cost_of(self.shorter(seen), both), rng), labels=None)

    def cost_of(self, seen: Observation, both: Tensor) -> Cost:
        """What is least for both peers' inputs, given the two uploads [2, d]."""
        return cosine_cost(together(seen, both))


def together(seen: Observation, both: Tensor) -> Observation:
    """The pair as one peer that holds both peers' examples, from its two uploads [2, d]."""
    told = seen.labels is not None and seen.partner_labels is not None
    labels = torch.cat([seen.labels, seen.partner_labels]) if told else None  # type: ignore[list-item]
    return replace(seen, update=both.sum(0) / 2, examples=2 * seen.examples, labels=labels)


def pair_of(seen: Observation) -> Tensor | None:
    """The victim's upload and its partner's [2, d], or None if it has no partner or that one's upload did not arrive."""
    theirs = None if seen.partner is None else seen.upload.row_of(seen.partner)
    return None if theirs is None else torch.stack([seen.update, theirs])
