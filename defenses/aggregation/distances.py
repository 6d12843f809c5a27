"""Squared distances between rows, exact even when rows share a large common part or one lies far away."""

from __future__ import annotations

import torch
from torch import Tensor

_CANCELLED = 1e-9
"""Below this share of the norms, a distance from inner products has lost its digits."""


def squared_distances(rows: Tensor, block: int = 1 << 16) -> Tensor:
    """[n, n] float64 from rows [n, d]: inner products of centred rows in double precision, block by block; pairs that
    are much closer to each other than to the centre are measured directly."""
    n = len(rows)
    gram = torch.zeros(n, n, dtype=torch.float64, device=rows.device)
    for part in torch.split(rows, block, dim=1):
        wide = part.double()
        wide = wide - wide.mean(0)
        gram += wide @ wide.T
    norms = gram.diagonal()
    sums = norms[:, None] + norms[None]
    distances = (sums - 2 * gram).clamp_(min=0)
    for i, j in (distances <= _CANCELLED * sums).triu(1).nonzero().tolist():
        distances[i, j] = distances[j, i] = (rows[i].double() - rows[j].double()).square().sum()
    return distances.fill_diagonal_(0)
