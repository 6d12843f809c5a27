"""Norm clipping and weak differential privacy (Sun et al. 2019): poison that needs long updates is cut short."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from fflbench.contracts import Aggregate, Aggregator, Round, Upload
from fflbench.defenses.aggregation.row_sums import lengths
from fflbench.defenses.aggregation.statistics import with_statistics
from fflbench.defenses.privacy.clip import median_of, shortening


@dataclass
class NormClipping(Aggregator):
    """The mean of the uploads, each scaled down to `norm` (default: the round's median norm), plus N(0, `noise`^2).
    Batch-norm statistics take the median."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1911.07963"
    assumes: ClassVar[str] = "attackers need longer updates than honest peers; the direction of updates is not looked at"
    cost: ClassVar[str] = "O(n d)"
    workspace: ClassVar[float] = 0.0

    norm: Annotated[float, Field(gt=0)] | None = None
    noise: Annotated[float, Field(ge=0)] = 0.0

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        rows = upload.rows[:, round.layout.trainable]
        norms = lengths(rows)
        mean = shortening(norms, self.norm or median_of(norms)).to(rows.dtype) @ rows / len(rows)
        if self.noise:
            generator = round.rng.at("weak-dp").torch(mean.device)
            mean = mean + torch.empty_like(mean).normal_(0, self.noise, generator=generator)
        return Aggregate(with_statistics(mean, upload.rows, round.layout))
