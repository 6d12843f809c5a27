"""Min-sum (Shejwalkar and Houmansadr 2021): as far out, all told, as the most remote honest update."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from fflbench.attacks.poisoning.deviation import Deviation, distances_between, largest_root, offsets_along


@dataclass
class MinSum(Deviation):
    """All send mean + gamma p, with the largest gamma such that the sum of squared distances to the honest updates stays
    within the largest that an honest update has. `direction` p as for min-max; gamma is solved exactly."""

    assumes: ClassVar[str] = "the rule looks at sums of distances, or not at all"
    workspace: ClassVar[float] = 0.1

    def largest_gamma(self, rows: Tensor, p: Tensor) -> float:
        """The largest gamma with sum_i ||mean + gamma p - x_i||^2 <= max_j sum_i ||x_j - x_i||^2. The offsets from the mean
        sum to zero, so the linear term is gone."""
        along, squares = offsets_along(rows, p)
        bound = distances_between(rows).sum(1).max()
        wide = p.double()
        return float(largest_root(len(rows) * float(wide @ wide), along.sum(), squares.sum() - bound))
