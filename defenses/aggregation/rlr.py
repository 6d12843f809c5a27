"""Robust learning rate (Ozdayi et al. 2021): where too few peers agree on a direction, go the other way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from fflbench.contracts import Aggregate, Aggregator, Round, TaskView, Upload
from fflbench.defenses.aggregation.row_sums import mean_of, sign_sums
from fflbench.defenses.aggregation.statistics import with_statistics


@dataclass
class RobustLearningRate(Aggregator):
    """The mean of the uploads, negated in every coordinate where the sum of the signs is less than `threshold` in
    magnitude (default f + 1: f peers alone cannot reach it). Batch-norm statistics take the median."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2007.03767"
    assumes: ClassVar[str] = "a backdoor moves coordinates on which honest peers do not agree; lengths are not looked at"
    cost: ClassVar[str] = "O(n d)"
    workspace: ClassVar[float] = 0.1

    threshold: Annotated[int, Field(ge=1)] | None = None

    def unfit(self, uploads: int, tolerated: int, task: TaskView) -> str | None:
        threshold = self._threshold(tolerated)
        return (
            f"threshold: found {threshold}, needs at most {uploads} with {uploads} uploads" if threshold > uploads else None
        )

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        rows = upload.rows[:, round.layout.trainable]
        mean, agreed = mean_of(rows), sign_sums(rows).abs()
        threshold = min(self._threshold(round.tolerated), len(rows))
        return Aggregate(with_statistics(torch.where(agreed >= threshold, mean, -mean), upload.rows, round.layout))

    def _threshold(self, tolerated: int) -> int:
        return self.threshold or tolerated + 1
