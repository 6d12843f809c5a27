"""FLAME (Nguyen et al. 2022): cluster the local models, clip what is left, add noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from fflbench.contracts import Aggregate, Aggregator, Round, Upload
from fflbench.defenses.aggregation.distances import inner_products
from fflbench.defenses.aggregation.row_sums import lengths, scaled_mean_of
from fflbench.defenses.aggregation.statistics import with_statistics
from fflbench.defenses.privacy.clip import median_of, shortening


@dataclass
class FLAME(Aggregator):
    """Keeps the peers in HDBSCAN's cluster of more than half of them, by the cosine distance of their local models (global
    parameters plus upload); everybody if there is none. The mean of their uploads, shortened to the median norm of all,
    plus N(0, (`noise` median norm)^2). Batch-norm statistics take the median of the kept."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2101.02281"
    assumes: ClassVar[str] = "f < n/2; poisoned models point elsewhere than honest ones"
    cost: ClassVar[str] = "O(n^2 d)"
    workspace: ClassVar[float] = 0.1

    noise: Annotated[float, Field(ge=0)] = 0.001

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        trained = round.layout.trainable
        rows = upload.rows[:, trained]
        norms = lengths(rows)
        usual = median_of(norms)
        kept = majority_cluster(cosine_distances(rows, -round.global_vector[trained]))
        chosen = kept.nonzero()[0].tolist()
        trust = dict(zip(upload.peers, kept.astype(float).tolist(), strict=True))
        mean = scaled_mean_of(rows, chosen, shortening(norms, usual)[chosen])
        generator = round.rng.at("flame").torch(mean.device)
        noisy = mean + torch.empty_like(mean).normal_(0, 1, generator=generator) * (self.noise * usual)
        return Aggregate(with_statistics(noisy, upload.rows, round.layout, chosen), trust)


def cosine_distances(rows: Tensor, origin: Tensor) -> NDArray[np.float64]:
    """1 - cosine [n, n] of rows [n, d] as seen from `origin` [d]; a row there is at right angles to all."""
    gram = inner_products(rows, origin)
    norms = gram.diagonal().sqrt().clamp(min=1e-300)
    distances: NDArray[np.float64] = (1 - gram / norms[:, None] / norms[None]).clamp(0, 2).fill_diagonal_(0).cpu().numpy()
    return distances


def majority_cluster(distances: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Who is in the cluster of more than half; everybody when there is none."""
    n = len(distances)
    everybody = np.ones(n, dtype=bool)
    if n < 3:
        return everybody
    from sklearn.cluster import HDBSCAN

    finder = HDBSCAN(min_cluster_size=n // 2 + 1, min_samples=1, metric="precomputed", allow_single_cluster=True, copy=True)
    kept: NDArray[np.bool_] = finder.fit(distances).labels_ == 0
    return kept if kept.any() else everybody
