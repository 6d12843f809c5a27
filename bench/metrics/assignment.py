"""Which guess goes with which original."""

from __future__ import annotations

import torch
from torch import Tensor


def assigned(cost: Tensor) -> Tensor:
    """The guess [n] of each original that makes the sum of `cost` [n originals, m guesses], m >= n, the least."""
    # Late: a run that observes nothing begins without it.
    from scipy.optimize import linear_sum_assignment

    return torch.from_numpy(linear_sum_assignment(cost.cpu().numpy())[1])
