"""Min-sum (Shejwalkar and Houmansadr 2021): as far out, all told, as the most remote honest update."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from fflbench.attacks.poisoning.deviation import Direction, distances_between, largest_root, perturbation
from fflbench.attacks.poisoning.visible import sent_by_all, visible_rows
from fflbench.contracts import Knowledge, PoisoningAttack, Round


@dataclass
class MinSum(PoisoningAttack):
    """All send mean + gamma p, with the largest gamma such that the sum of squared distances to the honest updates stays
    within the largest that an honest update has. `direction` p as for min-max; gamma is solved exactly."""

    paper: ClassVar[str] = (
        "https://www.ndss-symposium.org/ndss-paper/manipulating-the-byzantine-optimizing-model-poisoning-attacks-and-defenses-for-federated-learning/"
    )
    assumes: ClassVar[str] = "the rule looks at sums of distances, or not at all"
    cost: ClassVar[str] = "O(h^2 d)"

    direction: Direction = "unit"
    knowledge: Knowledge = Knowledge.OMNISCIENT

    def poison_updates(self, malicious: Tensor, honest: Tensor | None, round: Round) -> Tensor:
        rows = visible_rows(malicious, honest)
        p, mean = perturbation(rows, self.direction), rows.mean(0)
        return sent_by_all(mean + largest_gamma(rows, p) * p, malicious)


def largest_gamma(rows: Tensor, p: Tensor) -> float:
    """The largest gamma with sum_i ||mean + gamma p - x_i||^2 <= max_j sum_i ||x_j - x_i||^2. The offsets from the mean sum
    to zero, so the linear term is gone."""
    offsets = rows.mean(0).double() - rows.double()
    bound = distances_between(rows).sum(1).max()
    wide = p.double()
    linear = (offsets @ wide).sum()
    return float(largest_root(len(rows) * float(wide @ wide), linear, offsets.square().sum() - bound))
