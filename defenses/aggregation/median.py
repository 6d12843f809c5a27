"""Coordinate-wise median (Yin et al. 2018)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from fflbench.contracts import Aggregate, Aggregator, Round, Upload
from fflbench.defenses.aggregation.sorting import mean_of_ranks, sorted_columns


class Median(Aggregator):
    """Per coordinate the median of the uploads; of an even number the mean of the two middle values."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1803.01498"
    assumes: ClassVar[str] = "f < n/2; honest peers agree on most coordinates (similar data)"
    cost: ClassVar[str] = "O(n log n d)"
    workspace: ClassVar[float] = 0.1

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        return Aggregate(coordinate_median(upload.rows))


def coordinate_median(rows: Tensor) -> Tensor:
    """The median [d] of rows [n, d]."""
    n = len(rows)
    ranks = range((n - 1) // 2, n // 2 + 1)
    median = mean_of_ranks(rows, ranks)
    # The sum of two very large values is beyond all numbers, half of each is not. One that is shows in the sum of all.
    return median if bool(torch.isfinite(median.sum())) else middle(sorted_columns(rows, ranks))


def middle(ordered: Tensor) -> Tensor:
    """The median [d] of rows [n, d] that are sorted in every column, or of the middle ones of them."""
    n = len(ordered)
    low, high = ordered[(n - 1) // 2], ordered[n // 2]
    return low if n % 2 else low / 2 + high / 2
