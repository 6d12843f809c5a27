"""MoNNA (Farhadkhani et al. 2023): whoever is near a peer that is trusted anyway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from fflbench.contracts import Aggregate, Aggregator, Rng, Round, TaskView, Upload, Visibility
from fflbench.defenses.aggregation.median import coordinate_median
from fflbench.defenses.aggregation.row_sums import distances_to, mean_of
from fflbench.defenses.aggregation.tolerance import Tolerance


@dataclass
class MoNNA(Tolerance, Aggregator):
    """The mean of the n-f uploads nearest that of the peer `trusted`, itself among them. The peer takes part in every round;
    in one where its upload is missing the coordinate-wise median stands in for it."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2209.10931"
    needs: ClassVar[Visibility] = Visibility.INDIVIDUAL
    follows_peers: ClassVar[bool] = True
    assumes: ClassVar[str] = "the trusted peer is honest (attackers are drawn at random and may include it); f < n/2"
    cost: ClassVar[str] = "O(n d)"
    workspace: ClassVar[float] = 0.0

    trusted: Annotated[int, Field(ge=0)] = 0

    def unfit(self, uploads: int, tolerated: int, task: TaskView) -> str | None:
        if self.trusted >= task.peers:
            return f"trusted: found {self.trusted}, needs a peer from 0 to {task.peers - 1}"
        return super().unfit(uploads, tolerated, task)

    def select(self, candidates: Sequence[int], count: int, round_index: int, rng: Rng) -> tuple[int, ...]:
        others = [peer for peer in candidates if peer != self.trusted]
        return tuple(sorted([self.trusted, *super().select(others, count - 1, round_index, rng)]))

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        rows, n = upload.rows, len(upload.rows)
        here = self.trusted in upload.peers
        centre = rows[upload.peers.index(self.trusted)] if here else coordinate_median(rows)
        nearest = distances_to(rows, centre).argsort(stable=True)[: n - self.bearable(round.tolerated, n)]
        kept = set(nearest.tolist())
        return Aggregate(mean_of(rows, nearest), {peer: float(i in kept) for i, peer in enumerate(upload.peers)})
