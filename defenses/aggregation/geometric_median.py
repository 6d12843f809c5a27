"""Geometric median (Chen et al. 2017) by the smoothed Weiszfeld iteration, and RFA (Pillutla et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from fflbench.contracts import Aggregate, Aggregator, Pipeline, Round, Upload
from fflbench.defenses.aggregation.distances import seen_from_centre

RFA = Pipeline(("geometric-median",), "Robust federated aggregation: the geometric median, iterated until it settles.",
               "https://arxiv.org/abs/1912.13445", {"nu": 1e-6, "iterations": None})  # fmt: skip

Matrix = NDArray[np.float64]
SETTLED, MOST = 1e-6, 1000
"""Settled: a step shorter than this share of the median distance; or this many steps."""


@dataclass
class GeometricMedian(Aggregator):
    """The point with the least summed distance to all uploads. `iterations` times (without: until it settles) the mean
    with weights 1 / max(`nu`, distance to the last point); the first point is the mean of the majority nearest the most
    central upload. The trust in a peer is its weight."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1705.05491"
    assumes: ClassVar[str] = "f < n/2; a minority moves the result by about its share of the honest spread"
    cost: ClassVar[str] = "O(n^2 d), then O(n^2) an iteration"
    workspace: ClassVar[float] = 0.0

    nu: Annotated[float, Field(gt=0)] = 0.1
    iterations: Annotated[int, Field(ge=1)] | None = 3

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        weights = weiszfeld(seen_from_centre(upload.rows)[0].cpu().numpy(), self.nu, self.iterations)
        used = torch.from_numpy(weights).to(upload.rows)
        return Aggregate(used @ upload.rows, dict(zip(upload.peers, weights.tolist(), strict=True)))


def weiszfeld(gram: Matrix, nu: float, iterations: int | None) -> Matrix:
    """The weights [n] of the rows in their geometric median, from inner products [n, n] seen from a central row."""
    n, norms = len(gram), gram.diagonal()
    weights: Matrix = np.zeros(n)
    weights[np.argsort(norms, kind="stable")[: n - (n - 1) // 2]] = 1 / (n - (n - 1) // 2)
    for _ in range(MOST if iterations is None else iterations):
        pull = gram @ weights
        distances = np.sqrt(np.maximum(norms - 2 * pull + weights @ pull, 0))
        following = 1 / np.maximum(nu, distances)
        following /= following.sum()
        moved, weights = following - weights, following
        if iterations is None and moved @ gram @ moved <= (SETTLED * np.median(distances)) ** 2:
            break
    return weights
