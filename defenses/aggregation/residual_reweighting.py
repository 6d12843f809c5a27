"""Residual-based reweighting (Fu et al. 2019): peers count by how near their parameters lie to repeated-median lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from fflbench.blocks import columns_at_once
from fflbench.contracts import Aggregate, Aggregator, Round, Upload
from fflbench.defenses.aggregation.median import middle
from fflbench.defenses.aggregation.repeated_median import repeated_median_line
from fflbench.defenses.aggregation.sorting import sorted_columns


@dataclass
class ResidualReweighting(Aggregator):
    """Each coordinate's values get confidences from their residuals to the repeated-median line, as in iteratively
    reweighted least squares: 1 within `bound` sqrt(2/n) standard residuals, less beyond. A value with less than `cutoff` is
    replaced by the line's. A peer's weight is the square of its confidences' sum over the coordinates, each times its
    deviation over the peers (so do the authors)."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1912.11464"
    assumes: ClassVar[str] = "f < n/2; a coordinate's honest values, in order, lie about on a line"
    cost: ClassVar[str] = "O(n^2 log n d)"

    block: ClassVar[int] = 1 << 14
    workspace: ClassVar[float] = 1.1

    bound: Annotated[float, Field(gt=0)] = 2.0
    cutoff: Annotated[float, Field(ge=0, le=1)] = 0.1

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        rows = upload.rows
        if len(rows) < 3:  # A line through two points leaves no residuals.
            return Aggregate(rows.mean(0))
        sums, repaired = torch.zeros(len(rows), dtype=torch.float64, device=rows.device), torch.empty_like(rows)
        size = min(self.block, columns_at_once(rows))
        for begin in range(0, rows.shape[1], size):
            part = slice(begin, begin + size)
            confidence, repaired[:, part] = self.judged(rows[:, part])
            sums += (confidence * confidence.std(0)).double().sum(1)
        weights = (sums / sums.max()).square() if sums.max() > 0 else torch.ones_like(sums)
        trust = dict(zip(upload.peers, weights.tolist(), strict=True))
        return Aggregate((weights / weights.sum()).to(rows.dtype) @ repaired, trust)

    def judged(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The confidence in each value of rows [n, d], and the rows with the values that have none replaced."""
        n = len(rows)
        values, order = rows.sort(dim=0)
        slope, height = repeated_median_line(values)
        rank = torch.arange(n, dtype=values.dtype, device=values.device)[:, None] - (n - 1) / 2
        line = height + slope * rank
        residual = (values - line).abs()
        scale = 1.4826 * (1 + 5 / (n - 1)) * middle(sorted_columns(residual)[1:])
        leverage = 1 / n + rank.square() / rank.square().sum()
        allowed = self.bound * (2 / n) ** 0.5 * (1 - leverage).clamp(min=0).sqrt() * scale
        confidence = torch.where(residual <= allowed, 1, allowed / residual)
        repaired = torch.where(confidence < self.cutoff, line, values)
        return torch.empty_like(rows).scatter_(0, order, confidence), torch.empty_like(rows).scatter_(0, order, repaired)
