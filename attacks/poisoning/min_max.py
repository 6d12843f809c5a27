"""Min-max (Shejwalkar and Houmansadr 2021): as far out as the honest updates are from one another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from fflbench.attacks.poisoning.deviation import Deviation, distances_between, largest_root, offsets_along


@dataclass
class MinMax(Deviation):
    """All send mean + gamma p, with the largest gamma such that no honest update is farther away than two honest updates are
    from each other. `direction` p: against the mean (`unit`), its signs, or the standard deviation.

    The paper halves an interval to find gamma; each distance is a quadratic in it, so it is solved exactly here.
    """

    workspace: ClassVar[float] = 0.1

    def largest_gamma(self, rows: Tensor, p: Tensor) -> float:
        """The largest gamma with ||mean + gamma p - x_i|| <= max_jk ||x_j - x_k|| for all i."""
        along, squares = offsets_along(rows, p)
        wide = p.double()
        roots = largest_root(float(wide @ wide), along, squares - distances_between(rows).max())
        return float(roots.min())
