"""Divide and conquer (Shejwalkar and Houmansadr 2021): outliers along the direction in which updates vary most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from fflbench.blocks import by_columns
from fflbench.contracts import Aggregate, Aggregator, Round, Upload
from fflbench.defenses.aggregation.distances import inner_products
from fflbench.defenses.aggregation.row_sums import mean_of
from fflbench.defenses.aggregation.tolerance import Tolerance


@dataclass
class DivideAndConquer(Tolerance, Aggregator):
    """`iterations` times, on `coordinates` random coordinates: the floor(`share` f) uploads farthest from the mean along the
    centred uploads' top singular vector are outliers. The mean of those that never were (if nobody, least often)."""

    paper: ClassVar[str] = "https://www.ndss-symposium.org/wp-content/uploads/ndss2021_6C-3_24498_paper.pdf"
    assumes: ClassVar[str] = "f < n/2; attackers are far off in one direction: of those that differ in several, some pass"
    cost: ClassVar[str] = "O(n d + iterations n^2 coordinates)"
    workspace: ClassVar[float] = 0.1

    iterations: Annotated[int, Field(ge=1)] = 1
    coordinates: Annotated[int, Field(ge=1)] = 10_000
    share: Annotated[float, Field(gt=0)] = 1.0

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        n, trained = len(upload.rows), round.layout.trainable.stop
        dropped = min(int(self.share * self.bearable(round.tolerated, n) + 1e-9), n - 1)
        generator = round.rng.at("dnc").numpy()
        found = torch.zeros(n)
        for _ in range(self.iterations):
            drawn = torch.from_numpy(generator.permutation(trained)[: self.coordinates])
            scores = outlier_scores(upload.rows[:, drawn.to(upload.rows.device)])
            found[scores.argsort(descending=True, stable=True)[:dropped].cpu()] += 1
        kept = (found == found.min()).nonzero().flatten().tolist()
        trust = {peer: float(i in kept) for i, peer in enumerate(upload.peers)}
        return Aggregate(mean_of(upload.rows, kept), trust)


def outlier_scores(rows: Tensor) -> Tensor:
    """The squared projection [n] of the centred rows [n, b] on their top right singular vector, read off the Gram matrix:
    its top eigenvalue times the squares of the eigenvector."""
    values, vectors = torch.linalg.eigh(inner_products(rows, by_columns(rows, lambda block: block.double().mean(0))))
    scores: Tensor = values[-1] * vectors[:, -1].square()
    return scores
