"""The covariance-bound-agnostic filter (Allouah et al. 2025)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fflbench.contracts import Aggregate, Aggregator, Round, Upload
from fflbench.defenses.aggregation.distances import seen_from_centre
from fflbench.defenses.aggregation.tolerance import Tolerance


@dataclass
class CAF(Tolerance, Aggregator):
    """A weighted mean. All weights start at 1; while they sum to more than n-2f, each upload loses weight in proportion to
    its squared deviation along the direction in which the weighted uploads vary most. Of the means on the way, the one with
    the least such variance. The trust in a peer is its weight in that mean."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2505.01874"
    assumes: ClassVar[str] = "f < n/2; nothing need be known of the honest updates' variance"
    cost: ClassVar[str] = "O(n^2 d + n^4)"
    workspace: ClassVar[float] = 0.0

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        f = self.bearable(round.tolerated, len(upload.rows))
        weights = filtered(seen_from_centre(upload.rows)[0], f)
        used = (weights / weights.sum()).to(upload.rows)
        return Aggregate(used @ upload.rows, dict(zip(upload.peers, weights.tolist(), strict=True)))


def filtered(gram: Tensor, f: int) -> Tensor:
    """The weights [n] of the best mean, from inner products [n, n] seen from a central row."""
    weights = torch.ones_like(gram.diagonal())
    best, least = weights, torch.inf
    while weights.sum() > len(gram) - 2 * f:
        share = weights / weights.sum()
        pull = gram @ share
        centred = gram - pull[:, None] - pull[None] + share @ pull
        values, vectors = torch.linalg.eigh(share.sqrt()[:, None] * centred * share.sqrt()[None])
        if values[-1] < least:
            best, least = weights, float(values[-1])
        if values[-1] <= 0:
            break
        deviation = ((centred @ (share.sqrt() * vectors[:, -1])).square() * (weights > 0)).nan_to_num()
        if deviation.max() <= 0:
            break
        weights = weights * (1 - deviation / deviation.max())
    return best
