"""SignSGD with majority vote (Bernstein et al. 2019): one peer, one vote on every coordinate's direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from fflbench.contracts import Aggregate, Aggregator, Round, Upload
from fflbench.defenses.aggregation.row_sums import lengths, sign_sums
from fflbench.defenses.aggregation.statistics import with_statistics
from fflbench.defenses.privacy.clip import median_of


@dataclass
class SignMajority(Aggregator):
    """A `step` in the direction that most uploads have, in every coordinate; 0 where they are even. Without `step`, one
    that makes the whole step as long as the median upload. Batch-norm statistics take the median."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1810.05291"
    assumes: ClassVar[str] = "f < n/2; errors of honest peers are symmetric; coordinates move by the same amount"
    cost: ClassVar[str] = "O(n d)"
    workspace: ClassVar[float] = 0.1

    step: Annotated[float, Field(gt=0)] | None = None

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        rows = upload.rows[:, round.layout.trainable]
        step = self.step or median_of(lengths(rows)) / rows.shape[1] ** 0.5
        return Aggregate(with_statistics(step * sign_sums(rows).sign(), upload.rows, round.layout))
