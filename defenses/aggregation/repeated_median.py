"""Repeated median (Siegel 1982), per coordinate."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from fflbench.contracts import Aggregate, Aggregator, Round, Upload
from fflbench.defenses.aggregation.median import coordinate_median


class RepeatedMedian(Aggregator):
    """Siegel's repeated-median line through each coordinate's sorted values, read at the middle rank."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1912.11464"

    block: ClassVar[int] = 1 << 16

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        blocks = [repeated_median(block) for block in torch.split(upload.rows, self.block, dim=1)]
        return Aggregate(torch.cat(blocks))


def repeated_median(rows: Tensor) -> Tensor:
    """The value [d] at the middle rank of the line whose slope is the median over i of the median over j of the slopes
    from the i-th to the j-th smallest value, and whose height is the median over i of the residuals."""
    values, n = rows.sort(dim=0).values, len(rows)
    if n == 1:
        return values[0]
    rank = torch.arange(n, dtype=values.dtype, device=values.device)
    slopes = []
    for i in range(n):
        others = torch.arange(n, device=values.device) != i
        slopes.append(coordinate_median((values[others] - values[i]) / (rank[others] - rank[i])[:, None]))
    slope = coordinate_median(torch.stack(slopes))
    middle = (n - 1) / 2
    return coordinate_median(values - slope * (rank - middle)[:, None])
