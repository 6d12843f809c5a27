"""Bucketing (Karimireddy et al. 2022): means of random groups differ less than single updates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from fflbench.blocks import column_blocks
from fflbench.contracts import PreAggregator, Round, TaskView, Upload
from fflbench.defenses.aggregation.row_sums import mean_of, means_of


@dataclass
class Bucketing(PreAggregator):
    """The uploads in random order, cut into buckets of `size` (the last may be smaller), each replaced by its mean. Every
    attacker may spoil another bucket: the rule behind it still has to tolerate f of the ceil(n / `size`) rows."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2006.09365"
    assumes: ClassVar[str] = "size f < n/2; peers with different data"
    cost: ClassVar[str] = "O(n d)"
    workspace: ClassVar[float] = 0.0

    size: Annotated[int, Field(ge=1)] = 2

    def unfit(self, uploads: int, tolerated: int, task: TaskView) -> str | None:
        buckets = self.remaining(uploads)
        if buckets > 2 * tolerated:
            return None
        return f"size {self.size} leaves {buckets} rows of {uploads} uploads, needs more than 2 f = {2 * tolerated}"

    def remaining(self, uploads: int) -> int:
        return -(-uploads // self.size)

    def transform(self, upload: Upload, round: Round) -> Upload:
        order = torch.from_numpy(round.rng.at("bucketing").numpy().permutation(len(upload.rows)))
        whole = len(order) // self.size * self.size
        alike, rest = order[:whole].reshape(-1, self.size), order[whole:]
        first = order[:: self.size].tolist()
        for block in column_blocks(upload.rows):
            means = means_of(block, alike)
            if len(rest):
                means = torch.cat([means, mean_of(block, rest)[None]])
            block[: len(means)] = means
        return replace(upload, rows=upload.rows[: len(first)], peers=tuple(upload.peers[i] for i in first))
