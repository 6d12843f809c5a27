"""FLTrust (Cao et al. 2021): the server's own update on clean data says which direction is right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from fflbench.contracts import Aggregate, Aggregator, Round, TaskView, UnfitError, Upload
from fflbench.defenses.aggregation.row_sums import lengths, products_with
from fflbench.defenses.aggregation.statistics import with_statistics

NO_ROOT = "needs examples of the server's own, the task has none; set root_examples (the paper: 100)"


@dataclass
class FLTrust(Aggregator):
    """The mean of the uploads, each scaled to the norm of the server's own update, weighted by its cosine to that update, if
    positive; the trust in a peer. No step when nobody has any. Batch-norm statistics take the median of the trusted."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2012.13995"
    assumes: ClassVar[str] = "the server has a few clean examples of the same distribution"
    cost: ClassVar[str] = "O(n d) and one local training at the server"
    workspace: ClassVar[float] = 0.1

    def unfit(self, uploads: int, tolerated: int, task: TaskView) -> str | None:
        return None if task.root_examples else NO_ROOT

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        if round.root_update is None:
            raise UnfitError(f"fltrust: {NO_ROOT}")
        rows, own = upload.rows[:, round.layout.trainable], round.root_update()[round.layout.trainable]
        norms, length = lengths(rows), lengths(own[None])[0]
        scores = (products_with(rows, own) / (norms * length).clamp(min=1e-300)).clamp(0, 1)
        trust = dict(zip(upload.peers, scores.tolist(), strict=True))
        if scores.sum() == 0 or length == 0:
            return Aggregate(torch.zeros_like(upload.rows[0]), trust)
        weights = scores / scores.sum() * length / norms.clamp(min=1e-12)
        trusted = (scores > 0).nonzero().flatten().tolist()
        return Aggregate(with_statistics(weights.to(rows.dtype) @ rows, upload.rows, round.layout, trusted), trust)
