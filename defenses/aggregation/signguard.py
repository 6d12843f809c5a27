"""SignGuard (Xu et al. 2022): attackers show in the length of their updates or in the share of positive entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from fflbench.contracts import Aggregate, Aggregator, Round, TaskView, Upload
from fflbench.defenses.aggregation.row_sums import lengths, scaled_mean_of
from fflbench.defenses.aggregation.statistics import with_statistics
from fflbench.defenses.privacy.clip import median_of, shortening


@dataclass
class SignGuard(Aggregator):
    """Keeps uploads whose norm is `least` to `most` times the median norm and that are in the largest mean-shift cluster of
    the shares of positive, zero and negative entries, on a random `share` of the coordinates; if nobody is both, those of
    the right norm. The mean of the kept, shortened to the median norm. Batch-norm statistics take their median."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2109.05872"
    assumes: ClassVar[str] = "f < n/2; honest updates have alike shares of positive entries"
    cost: ClassVar[str] = "O(n d + n^2)"
    workspace: ClassVar[float] = 0.1

    least: Annotated[float, Field(ge=0)] = 0.1
    most: Annotated[float, Field(gt=0)] = 3.0
    share: Annotated[float, Field(gt=0, le=1)] = 0.1

    def unfit(self, uploads: int, tolerated: int, task: TaskView) -> str | None:
        return None if self.least < self.most else f"least: found {self.least:g}, needs less than most = {self.most:g}"

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        rows = upload.rows[:, round.layout.trainable]
        norms = lengths(rows)
        usual = median_of(norms)
        sized = ((norms >= self.least * usual) & (norms <= self.most * usual)).cpu().numpy()
        order = round.rng.at("signguard").numpy().permutation(rows.shape[1])
        drawn = torch.from_numpy(order[: max(1, int(self.share * len(order)))]).to(rows.device)
        kept = sized & largest_cluster(sign_shares(rows, drawn))
        for fallback in (sized, np.ones_like(sized)):
            kept = kept if kept.any() else fallback
        chosen = kept.nonzero()[0].tolist()
        trust = dict(zip(upload.peers, kept.astype(float).tolist(), strict=True))
        mean = scaled_mean_of(rows, chosen, shortening(norms, usual)[chosen])
        return Aggregate(with_statistics(mean, upload.rows, round.layout, chosen), trust)


def sign_shares(rows: Tensor, drawn: Tensor) -> NDArray[np.float64]:
    """The shares [n, 3] of positive, zero and negative entries among the `drawn` columns."""
    found, ordered = [], drawn.sort().values
    for row in rows:
        values = row[ordered]
        found.append(torch.stack([(values > 0).sum(), (values == 0).sum(), (values < 0).sum()]))
    shares: NDArray[np.float64] = (torch.stack(found).double() / len(drawn)).cpu().numpy()
    return shares


def largest_cluster(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Who is in the largest mean-shift cluster; everybody when the points do not differ."""
    from sklearn.cluster import MeanShift, estimate_bandwidth

    bandwidth = estimate_bandwidth(points, quantile=0.5)
    if bandwidth <= 1e-9:
        return np.ones(len(points), dtype=bool)
    labels = MeanShift(bandwidth=bandwidth, cluster_all=False).fit(points).labels_
    clusters, sizes = np.unique(labels[labels >= 0], return_counts=True)
    chosen: NDArray[np.bool_] = labels == clusters[sizes.argmax()]
    return chosen
