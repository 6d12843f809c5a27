"""The average: federated averaging, no defense at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from fflbench.contracts import Aggregate, Aggregator, Pipeline, Round, Upload, Visibility
from fflbench.defenses.aggregation.row_sums import mean_of

FEDAVG = Pipeline(("mean",), "Federated averaging: the mean of the updates, no defense.", "https://arxiv.org/abs/1602.05629")


@dataclass
class Mean(Aggregator):
    """The mean of the uploads, or with `weighted` by the number of each uploader's examples (of single uploads only)."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1602.05629"
    needs: ClassVar[Visibility] = Visibility.SUM
    assumes: ClassVar[str] = "nobody attacks: one upload can move the mean anywhere"
    cost: ClassVar[str] = "O(n d)"
    rejects_non_finite: ClassVar[bool] = False
    workspace: ClassVar[float] = 0.0

    weighted: bool = False

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        if not self.weighted or upload.visibility is Visibility.SUM:
            return Aggregate(mean_of(upload.rows))
        sizes = [float(round.weights[peer]) for peer in upload.peers]
        weights = torch.tensor(sizes, device=upload.rows.device)
        return Aggregate(weights / weights.sum() @ upload.rows)
