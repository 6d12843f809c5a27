"""Min-max (Shejwalkar and Houmansadr 2021): as far out as the honest updates are from one another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from fflbench.attacks.poisoning.deviation import Direction, distances_between, largest_root, perturbation
from fflbench.attacks.poisoning.visible import sent_by_all, visible_rows
from fflbench.contracts import Knowledge, PoisoningAttack, Round


@dataclass
class MinMax(PoisoningAttack):
    """All send mean + gamma p, with the largest gamma such that no honest update is farther away than two honest updates are
    from each other. `direction` p: against the mean (`unit`), its signs, or the standard deviation.

    The paper halves an interval to find gamma; each distance is a quadratic in it, so it is solved exactly here.
    """

    paper: ClassVar[str] = (
        "https://www.ndss-symposium.org/ndss-paper/manipulating-the-byzantine-optimizing-model-poisoning-attacks-and-defenses-for-federated-learning/"
    )
    assumes: ClassVar[str] = "the rule looks at distances, or not at all"
    cost: ClassVar[str] = "O(h^2 d)"

    direction: Direction = "unit"
    knowledge: Knowledge = Knowledge.OMNISCIENT

    def poison_updates(self, malicious: Tensor, honest: Tensor | None, round: Round) -> Tensor:
        rows = visible_rows(malicious, honest)
        p, mean = perturbation(rows, self.direction), rows.mean(0)
        gamma = largest_gamma(rows, p)
        return sent_by_all(mean + gamma * p, malicious)


def largest_gamma(rows: Tensor, p: Tensor) -> float:
    """The largest gamma with ||mean + gamma p - x_i|| <= max_jk ||x_j - x_k|| for all i."""
    offsets = rows.mean(0).double() - rows.double()
    bound = distances_between(rows).max()
    wide = p.double()
    roots = largest_root(float(wide @ wide), offsets @ wide, offsets.square().sum(1) - bound)
    return float(roots.min())
