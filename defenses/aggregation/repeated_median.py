"""Repeated median (Siegel 1982), per coordinate."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from fflbench.blocks import by_columns
from fflbench.contracts import Aggregate, Aggregator, Round, Upload
from fflbench.defenses.aggregation.median import coordinate_median
from fflbench.defenses.aggregation.sorting import sorted_columns


class RepeatedMedian(Aggregator):
    """Siegel's repeated-median line through each coordinate's sorted values, read at the middle rank."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1912.11464"
    assumes: ClassVar[str] = "f < n/2; a coordinate's honest values, in order, lie about on a line"
    cost: ClassVar[str] = "O(n^2 log n d)"
    workspace: ClassVar[float] = 0.1

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        return Aggregate(by_columns(upload.rows, repeated_median))


def repeated_median(rows: Tensor) -> Tensor:
    """The value [d] of the line at the middle rank."""
    return repeated_median_line(sorted_columns(rows))[1]


def repeated_median_line(values: Tensor) -> tuple[Tensor, Tensor]:
    """The slope [d] and the value [d] at the middle rank of the line through values [n, d] that are sorted in every column:
    the slope is the median over i of the median over j of the slopes from the i-th to the j-th smallest value, the height
    the median over i of the residuals."""
    n = len(values)
    if n == 1:
        return torch.zeros_like(values[0]), values[0]
    rank = torch.arange(n, dtype=values.dtype, device=values.device)
    slopes = []
    for i in range(n):
        others = torch.arange(n, device=values.device) != i
        slopes.append(coordinate_median((values[others] - values[i]) / (rank[others] - rank[i])[:, None]))
    slope = coordinate_median(torch.stack(slopes))
    return slope, coordinate_median(values - slope * (rank - (n - 1) / 2)[:, None])
