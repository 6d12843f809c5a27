"""Bulyan (El Mhamdi et al. 2018): Krum chooses, the middle of what it chose decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fflbench.blocks import by_columns
from fflbench.contracts import Aggregate, Aggregator, Round, TaskView, Upload
from fflbench.defenses.aggregation.distances import squared_distances
from fflbench.defenses.aggregation.meamed import mean_near_median
from fflbench.defenses.aggregation.tolerance import Tolerance, needs


@dataclass
class Bulyan(Tolerance, Aggregator):
    """Krum chooses n-2f uploads one after the other, each among those left; then per coordinate the mean of the n-4f
    values nearest the median of the chosen. Needs 4f+3 uploads."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1802.07927"
    assumes: ClassVar[str] = "n >= 4f + 3; honest updates lie closer to each other than to the attackers'"
    cost: ClassVar[str] = "O(n^2 d + n^3)"
    workspace: ClassVar[float] = 0.0

    def unfit(self, uploads: int, tolerated: int, task: TaskView) -> str | None:
        f = self.asked(tolerated)
        return None if uploads >= 4 * f + 3 else needs(f"at least 4 f + 3 = {4 * f + 3}", f, uploads)

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        n = len(upload.rows)
        f = min(self.asked(round.tolerated), max(0, (n - 3) // 4))
        chosen = krum_in_turn(squared_distances(upload.rows), n - 2 * f, f)
        trust = {peer: float(i in chosen) for i, peer in enumerate(upload.peers)}
        return Aggregate(by_columns(upload.rows, lambda block: mean_near_median(block[sorted(chosen)], n - 4 * f)), trust)


def krum_in_turn(distances: Tensor, count: int, f: int) -> list[int]:
    """The rows that Krum picks one after the other, each among those that are left: of m, by the summed squared distance
    to the m-f-2 nearest (at least one); of equals, as two nearest each other are, by that to all of the m."""
    n = len(distances)
    away = distances.clone().fill_diagonal_(torch.inf)
    order = away.argsort(dim=1, stable=True)
    near = away.gather(1, order)
    left = torch.ones(n, dtype=torch.bool, device=distances.device)
    chosen: list[int] = []
    while len(chosen) < count:
        present = left[order] & near.isfinite()
        counted = present & (present.cumsum(1) <= max(1, n - len(chosen) - f - 2))
        scores = torch.where(counted, near, 0).sum(1).masked_fill(~left, torch.inf)
        totals = torch.where(present, near, 0).sum(1).masked_fill(scores > scores.min(), torch.inf)
        chosen.append(int(totals.argmin()))
        left[chosen[-1]] = False
    return chosen
