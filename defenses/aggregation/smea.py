"""Smallest maximum eigenvalue averaging (Allouah et al. 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fflbench.contracts import Aggregate, Round, Upload
from fflbench.defenses.aggregation.distances import seen_from_centre
from fflbench.defenses.aggregation.subsets import BestSubset


@dataclass
class SMEA(BestSubset):
    """The mean of the n-f uploads whose covariance has the least largest eigenvalue. Refuses to try more than `limit`
    subsets."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2302.04787"
    assumes: ClassVar[str] = "f < n/2; honest updates vary little in every direction"
    cost: ClassVar[str] = "O(n^2 d) and n choose f subsets, O(n^3) each"
    workspace: ClassVar[float] = 0.2

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        gram = seen_from_centre(upload.rows)[0].cpu()

        def spread(block: Tensor) -> Tensor:
            inner = gram[block[:, :, None], block[:, None, :]]
            along, across = inner.mean(1, keepdim=True), inner.mean(2, keepdim=True)
            centred = inner - along - across + along.mean(2, keepdim=True)
            values: Tensor = torch.linalg.eigvalsh(centred)
            return values[:, -1] / block.shape[1]

        return self.mean_of_best(upload, round, spread)
