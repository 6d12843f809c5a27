"""Mean around the median (Xie et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fflbench import extension
from fflbench.blocks import by_columns
from fflbench.contracts import Aggregate, Aggregator, Round, Upload
from fflbench.defenses.aggregation.median import middle
from fflbench.defenses.aggregation.native_rows import as_native
from fflbench.defenses.aggregation.sorting import MOST_NATIVE, network_of, sorted_columns
from fflbench.defenses.aggregation.tolerance import Tolerance


@dataclass
class MeaMed(Tolerance, Aggregator):
    """Per coordinate the mean of the n-f values nearest the median."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1802.10116"
    assumes: ClassVar[str] = "f < n/2; honest values of a coordinate lie close together"
    cost: ClassVar[str] = "O(n log n d)"
    workspace: ClassVar[float] = 0.0

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        n = len(upload.rows)
        count = n - self.bearable(round.tolerated, n)
        return Aggregate(by_columns(upload.rows, lambda block: mean_near_median(block, count)))


def mean_near_median(rows: Tensor, count: int, block: int = 1 << 16) -> Tensor:
    """Per coordinate of rows [n, d] the mean of the `count` values nearest the median. They are neighbours in order: the
    window moves up while its lower end is farther from the median than what comes after its upper end."""
    n, means = len(rows), rows.new_empty(rows.shape[1])
    if _natively(rows, count, means):
        return means
    for begin in range(0, rows.shape[1], block):
        ordered = sorted_columns(rows[:, begin : begin + block])
        centre = middle(ordered)
        start = (centre - ordered[: n - count] > ordered[count:] - centre).sum(0)
        # Masked, not subtracted: a sum that held a huge value has lost the small ones.
        total = torch.zeros_like(centre)
        for rank, values in enumerate(ordered):
            total += torch.where((rank >= start) & (rank < start + count), values, 0)
        means[begin : begin + block] = total / count
    return means


def _natively(rows: Tensor, count: int, means: Tensor) -> bool:
    """Fill `means`. False where native code cannot: it is not here, another device or type, too many rows, NaN."""
    values = as_native(rows)
    if not extension.FLAVOURS or values is None or len(rows) > MOST_NATIVE:
        return False
    network, _ = network_of(len(rows), tuple(range(len(rows))))
    return extension.native.near_median(values, network, count, means.numpy(), extension.FLAVOURS[0])
