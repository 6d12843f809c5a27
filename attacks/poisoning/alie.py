"""A Little Is Enough (Baruch et al. 2019): stay within the honest spread, always on the same side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from scipy.special import ndtri
from torch import Tensor

from fflbench.attacks.poisoning.visible import deviation, sent_by_all, visible_rows
from fflbench.contracts import Knowledge, PoisoningAttack, Round


@dataclass
class ALittleIsEnough(PoisoningAttack):
    """All send mean - `z` standard deviations, per coordinate, of the updates that they know. Without `z` it is the paper's:
    the largest with which enough honest peers to form a majority with the attackers lie farther out."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1902.06156"
    assumes: ClassVar[str] = "honest updates spread widely beside their mean; many peers (z is 0 for few)"
    cost: ClassVar[str] = "O(h d)"
    workspace: ClassVar[float] = 0.1

    z: float | None = None
    knowledge: Knowledge = Knowledge.OMNISCIENT

    def poison_updates(self, malicious: Tensor, honest: Tensor | None, round: Round) -> Tensor:
        rows = visible_rows(malicious, honest)
        z = largest_z(len(round.peers), len(malicious)) if self.z is None else self.z
        return sent_by_all(rows.mean(0) - z * deviation(rows), malicious)


def largest_z(peers: int, attackers: int) -> float:
    """Phi^-1((n-b-s) / (n-b)) with s = floor(n/2 + 1) - b supporters wanted; never negative, and where the attackers are a
    majority by themselves what one supporter would give."""
    honest = peers - attackers
    supporters = max(1, peers // 2 + 1 - attackers)
    if honest <= supporters:
        return 0.0
    return max(0.0, float(ndtri((honest - supporters) / honest)))
