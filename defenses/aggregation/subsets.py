"""Rules that try every subset of the uploads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, islice
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from fflbench.contracts import Aggregate, Aggregator, Round, TaskView, Upload
from fflbench.defenses.aggregation.row_sums import mean_of
from fflbench.defenses.aggregation.tolerance import Tolerance


@dataclass
class BestSubset(Tolerance, Aggregator):
    """The mean of the n-f uploads that belong together best. Refuses to try more than `limit` subsets."""

    limit: Annotated[int, Field(ge=1)] = 100_000

    def unfit(self, uploads: int, tolerated: int, task: TaskView) -> str | None:
        f = self.asked(tolerated)
        tries = math.comb(uploads, f)
        if tries > self.limit:
            return f"would try {tries:,} subsets of {uploads} uploads without f = {f}, limit is {self.limit:,}"
        return super().unfit(uploads, tolerated, task)

    def mean_of_best(self, upload: Upload, round: Round, spread: Callable[[Tensor], Tensor]) -> Aggregate:
        """`spread` maps subsets [s, n-f] to how far apart their members are [s], or [s, k] where later columns decide
        between subsets that are equal in the ones before."""
        n = len(upload.rows)
        size = n - self.bearable(round.tolerated, n)
        best: tuple[list[float], list[int]] | None = None
        for block in subsets(n, size):
            spreads = spread(block).reshape(len(block), -1)
            rivals = torch.arange(len(block))
            for column in spreads.T:
                rivals = rivals[column[rivals] == column[rivals].min()]
            found = (spreads[rivals[0]].tolist(), block[rivals[0]].tolist())
            best = found if best is None or found[0] < best[0] else best
        assert best is not None
        kept = set(best[1])
        return Aggregate(mean_of(upload.rows, best[1]), {peer: float(i in kept) for i, peer in enumerate(upload.peers)})


def subsets(n: int, size: int, entries: int = 1 << 21) -> Iterator[Tensor]:
    """All subsets of `size` of n rows, as blocks [s, size] of indices; a block's matrices [s, size, size] have about
    `entries` entries."""
    every = combinations(range(n), size)
    count = max(1, entries // size**2)
    while block := list(islice(every, count)):
        yield torch.tensor(block)
