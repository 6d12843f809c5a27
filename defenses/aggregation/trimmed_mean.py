"""Coordinate-wise trimmed mean (Yin et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from fflbench.contracts import Aggregate, Aggregator, Round, TaskView, Upload
from fflbench.defenses.aggregation.sorting import mean_of_ranks


@dataclass
class TrimmedMean(Aggregator):
    """Per coordinate the mean without the k smallest and k largest values; k is floor(`trim` n), or without `trim` the
    number of attackers that the task says to tolerate."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1803.01498"
    assumes: ClassVar[str] = "no more than k attackers, k < n/2; honest values of a coordinate lie close together"
    cost: ClassVar[str] = "O(n log n d)"
    workspace: ClassVar[float] = 0.0

    trim: Annotated[float, Field(ge=0, lt=0.5)] | None = None

    def unfit(self, uploads: int, tolerated: int, task: TaskView) -> str | None:
        k = self._trimmed(uploads, tolerated)
        return None if uploads > 2 * k else f"trims {k} from each side, needs more than {2 * k} uploads, has {uploads}"

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        n = len(upload.rows)
        k = min(self._trimmed(n, round.tolerated), (n - 1) // 2)
        return Aggregate(mean_of_ranks(upload.rows, range(k, n - k)))

    def _trimmed(self, uploads: int, tolerated: int) -> int:
        return tolerated if self.trim is None else int(self.trim * uploads + 1e-9)
