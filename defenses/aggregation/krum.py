"""Krum and Multi-Krum (Blanchard et al. 2017): trust the updates that have close neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from fflbench.contracts import Aggregate, Aggregator, Round, TaskView, Upload
from fflbench.defenses.aggregation.distances import squared_distances
from fflbench.defenses.aggregation.row_sums import mean_of

Count = Annotated[int, Field(ge=0)]


@dataclass
class MultiKrum(Aggregator):
    """The mean of the `keep` uploads (default n-f-2) with the least summed squared distance to their `neighbours` nearest
    others (default n-f-2). `f` is the number of attackers (default: what the task says to tolerate, plus `extra`);
    `squared = false` sums plain distances."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1703.02757"
    assumes: ClassVar[str] = "n >= 2f + 3; honest updates lie closer to each other than to the attackers'"
    cost: ClassVar[str] = "O(n^2 d)"
    workspace: ClassVar[float] = 0.0

    f: Count | None = None
    extra: Count = 0
    keep: Annotated[int, Field(ge=1)] | None = None
    neighbours: Annotated[int, Field(ge=1)] | None = None
    squared: bool = True

    def unfit(self, uploads: int, tolerated: int, task: TaskView) -> str | None:
        f = self._f(tolerated)
        if uploads < f + 3:
            return f"needs at least f + 3 = {f + 3} uploads to tolerate f = {f} attackers, has {uploads}"
        for name, value, most in (("keep", self.keep, uploads), ("neighbours", self.neighbours, uploads - 1)):
            if value is not None and value > most:
                return f"{name}: found {value}, needs at most {most} with {uploads} uploads"
        return None

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        n = len(upload.rows)
        near = max(1, n - self._f(round.tolerated) - 2)
        scores = krum_scores(upload.rows, min(self.neighbours or near, n - 1), self.squared)
        chosen = scores.argsort(stable=True)[: self._kept(near)]
        kept = set(chosen.tolist())
        trust = {peer: float(i in kept) for i, peer in enumerate(upload.peers)}
        return Aggregate(mean_of(upload.rows, chosen), trust)

    def _f(self, tolerated: int) -> int:
        return (tolerated if self.f is None else self.f) + self.extra

    def _kept(self, near: int) -> int:
        return self.keep or near


@dataclass
class Krum(MultiKrum):
    """The one upload with the least summed squared distance to its `neighbours` nearest others (default n-f-2)."""

    keep: Annotated[int, Field(ge=1)] | None = 1


def krum_scores(rows: Tensor, neighbours: int, squared: bool = True) -> Tensor:
    """The summed distance [n] of each row to its nearest others, itself not counted."""
    distances = squared_distances(rows).fill_diagonal_(torch.inf)
    nearest = distances.sort(dim=1).values[:, :neighbours]
    return (nearest if squared else nearest.sqrt()).sum(1)
