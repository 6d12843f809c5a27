"""Centred clipping (Karimireddy et al. 2021): no upload pulls the last aggregate farther than a fixed length."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from fflbench.contracts import Aggregate, Aggregator, Round, Upload
from fflbench.defenses.aggregation.row_sums import distances_to
from fflbench.defenses.aggregation.statistics import with_statistics


@dataclass
class CenteredClipping(Aggregator):
    """v <- v + the mean of (upload - v) shortened to norm `tau`, `iterations` times from the last round's v, at first 0.
    Batch-norm statistics take the median."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2012.10333"
    assumes: ClassVar[str] = (
        "tau is about the distance between honest updates; f attackers move v by up to f tau / n a round"
    )
    cost: ClassVar[str] = "O(n d) an iteration"
    workspace: ClassVar[float] = 0.1

    tau: Annotated[float, Field(gt=0)] = 10.0
    iterations: Annotated[int, Field(ge=1)] = 1

    last: Tensor | None = field(default=None, init=False, repr=False)
    """v of the round before."""

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        rows = upload.rows[:, round.layout.trainable]
        v = torch.zeros_like(rows[0]) if self.last is None else self.last
        for _ in range(self.iterations):
            pull = (self.tau / distances_to(rows, v).clamp(min=1e-12)).clamp(max=1).to(rows.dtype) / len(rows)
            v = (1 - pull.sum()) * v + pull @ rows
        self.last = v
        return Aggregate(with_statistics(v, upload.rows, round.layout))
