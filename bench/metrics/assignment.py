"""Which guess goes with which original."""

from __future__ import annotations

import torch
from torch import Tensor


def assigned(cost: Tensor) -> Tensor:
    """The guess [n] of each original that makes the sum of `cost` [n originals, m guesses], m >= n, the least."""
    if len(cost) == 1:
        return cost.cpu().argmin(1)
    # Late: it takes long to load, and most runs do without.
    from scipy.optimize import linear_sum_assignment

    return torch.from_numpy(linear_sum_assignment(cost.cpu().numpy())[1])
