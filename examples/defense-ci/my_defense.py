"""The defense: a mean of updates that were all cut to the median length first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from fflbench.contracts import Aggregate, Aggregator, Round, Upload
from fflbench.registry import register


@register("median-norm-mean")
@dataclass
class MedianNormMean(Aggregator):
    """The mean of the updates, none of them longer than `factor` times the median length."""

    factor: Annotated[float, Field(gt=0)] = 1.0

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        lengths = upload.rows.norm(dim=1, keepdim=True)
        longest = self.factor * lengths.median()
        return Aggregate((upload.rows * (longest / lengths.clamp_min(1e-12)).clamp(max=1)).mean(0))
