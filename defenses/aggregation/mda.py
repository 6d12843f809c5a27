"""Minimum-diameter averaging (El Mhamdi et al. 2021, after Rousseeuw 1985)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fflbench.contracts import Aggregate, Round, Upload
from fflbench.defenses.aggregation.distances import squared_distances
from fflbench.defenses.aggregation.subsets import BestSubset


@dataclass
class MDA(BestSubset):
    """The mean of the n-f uploads with the least diameter, the largest distance between two of them; of several, those
    with the least summed squared distance. Refuses to try more than `limit` subsets."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2008.00742"
    assumes: ClassVar[str] = "f < n/2; honest updates lie in a ball that the attackers' do not fit into"
    cost: ClassVar[str] = "O(n^2 d) and n choose f subsets"
    workspace: ClassVar[float] = 0.1

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        distances = squared_distances(upload.rows).cpu()

        def spread(block: Tensor) -> Tensor:
            between = distances[block[:, :, None], block[:, None, :]].flatten(1)
            return torch.stack([between.max(1).values, between.sum(1)], dim=1)

        return self.mean_of_best(upload, round, spread)
