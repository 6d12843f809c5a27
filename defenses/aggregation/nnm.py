"""Nearest-neighbour mixing (Allouah et al. 2023): every upload becomes the mean of its neighbourhood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from fflbench.blocks import column_blocks
from fflbench.contracts import PreAggregator, Round, Upload
from fflbench.defenses.aggregation.distances import squared_distances
from fflbench.defenses.aggregation.tolerance import Tolerance


@dataclass
class NearestNeighbourMixing(Tolerance, PreAggregator):
    """Each upload is replaced by the mean of the n-f uploads nearest it, itself among them."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2302.01772"
    assumes: ClassVar[str] = "f < n/2; peers with different data, whose updates differ more than a rule behind it can bear"
    cost: ClassVar[str] = "O(n^2 d)"
    workspace: ClassVar[float] = 0.0

    def transform(self, upload: Upload, round: Round) -> Upload:
        n = len(upload.rows)
        size = n - self.bearable(round.tolerated, n)
        nearest = squared_distances(upload.rows).fill_diagonal_(-1).argsort(dim=1, stable=True)[:, :size]
        shares = torch.zeros(n, n, dtype=upload.rows.dtype, device=upload.rows.device).scatter_(1, nearest, 1 / size)
        for block in column_blocks(upload.rows):
            block.copy_(shares @ block)
        return upload
