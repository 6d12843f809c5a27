"""Finding the mask of a pair and the images of both its peers together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fflbench.attacks.reconstruction.pair_sum import PairSum
from fflbench.attacks.reconstruction.simulation import Cost, cosine_to, seen_direction, simulated_direction
from fflbench.contracts import Observation


@dataclass
class PairUnmixing(PairSum):
    """Whichever coordinates a pair exchanged, at each its two uploads hold the same two values. For two guesses of what the
    peers sent, the best mask follows: each value to the guess that it is nearer to. What is left is to match, at each
    coordinate, the sum and the absolute difference, which a swap does not change. Without a pair it is
    `inverting-gradients`.
    """

    def cost_of(self, seen: Observation, both: Tensor) -> Cost:
        return unmixed_cost(seen, both)


def unmixed_cost(seen: Observation, both: Tensor) -> Cost:
    """1 - cosine of what a swap cannot change, simulated for the first and the second half of the inputs, and seen."""
    target = unchanged(*(seen_direction(replace(seen, update=row)) for row in both))

    def simulated(inputs: Tensor, labels: Tensor) -> Tensor:
        parts = zip(inputs.chunk(2), labels.chunk(2), strict=True)
        return unchanged(*(simulated_direction(seen, mine, told) for mine, told in parts))

    return cosine_to(target, simulated)


def unchanged(first: Tensor, second: Tensor) -> Tensor:
    """What swapping entries of two vectors [d] leaves as it was, [2 d]: their sums and absolute differences."""
    return torch.cat([first + second, (first - second).abs()])
