"""FFL's server: scores mixed updates, keeps reputations, and weighs uploads by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from fflbench.blocks import by_columns, by_rows
from fflbench.contracts import Aggregate, Aggregator, Layout, Rng, Round, Upload
from fflbench.defenses.aggregation.median import coordinate_median
from fflbench.defenses.aggregation.row_sums import lengths
from fflbench.duration import Duration

Vector = NDArray[np.float64]


PENALTY = 1.0
"""What breaking the protocol costs a peer; scores of a round lie between -1 and 1."""


@dataclass
class Reputation(Aggregator):
    """Peers earn reputation when their upload's norm and output layer are near the median of the round's uploads.

    In the first `warmup` rounds everybody may be selected, every pair exchanges, and the server takes the coordinate-wise
    median. Later only peers with at least the lower-quartile reputation are selected, a peer exchanges only with partners
    it has no bad experience with, and uploads count by tanh(reputation - lower quartile).
    """

    paper: ClassVar[str] = "https://arxiv.org/abs/2207.05978"
    follows_peers: ClassVar[bool] = True
    assumes: ClassVar[str] = "f < n/2 in the warm-up; poison shows in the norm or the output layer; attackers stay attackers"
    cost: ClassVar[str] = "O(n log n d)"
    workspace: ClassVar[float] = 0.1

    warmup: Annotated[Duration, Field(ge=0)] = 20
    norm_share: Annotated[float, Field(ge=0, le=1)] = 0.2

    overall: dict[int, float] = field(default_factory=dict, init=False, repr=False)
    """Global reputation by peer."""
    private: dict[int, dict[int, float]] = field(default_factory=dict, init=False, repr=False)
    """Local reputations: what peer k thinks of each peer j that it met; of the others nothing, 0."""
    levels: dict[int, float] = field(default_factory=dict, init=False, repr=False)
    """The lower quartile of what peer k thinks of all peers, by peer that met somebody."""

    def select(self, candidates: Sequence[int], count: int, round_index: int, rng: Rng) -> tuple[int, ...]:
        eligible = set(candidates)
        if round_index >= self.warmup:
            level = lower_quartile(np.array([self.overall.get(peer, 0.0) for peer in candidates]))
            trusted = {peer for peer in candidates if self.overall.get(peer, 0.0) >= level}
            eligible = trusted if len(trusted) > 1 else eligible
        order = rng.numpy().permutation(candidates).tolist()
        return tuple(sorted([peer for peer in order if peer in eligible][:count]))

    def consents(self, peer: int, partner: int, round_index: int) -> bool:
        if round_index < self.warmup or peer not in self.private:
            return True
        return self.private[peer].get(partner, 0.0) >= self.levels[peer]

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        scores = similarity(upload.rows, round.layout, self.norm_share)
        self._remember(dict(zip(upload.peers, scores.tolist(), strict=True)), upload, round.task.peers)
        standing = {peer: self.overall.get(peer, 0.0) for peer in range(round.task.peers)}
        trust = {peer: standing[peer] for peer in upload.peers}
        if round.index < self.warmup:
            return Aggregate(coordinate_median(upload.rows), trust)
        level = lower_quartile(np.array(list(standing.values())))
        weights = torch.tensor([np.tanh(max(0.0, trust[p] - level)) for p in upload.peers], device=upload.rows.device)
        used = (weights if weights.sum() > 0 else torch.ones_like(weights)).to(upload.rows.dtype)
        return Aggregate(used / used.sum() @ upload.rows, trust)

    def _remember(self, score: dict[int, float], upload: Upload, peers: int) -> None:
        """Add the round's scores: to everybody's global reputation, and in pairs to what partners think of each other.
        An upload that was rejected scores 0; who broke the protocol pays as much as one round can earn."""
        exchanged = {peer for pair in upload.pairs for peer in pair}
        for peer in [*exchanged, *(p for p in upload.peers if p not in exchanged)]:
            self.overall[peer] = self.overall.get(peer, 0.0) + score.get(peer, 0.0)
        for peer in upload.culprits:
            self.overall[peer] = self.overall.get(peer, 0.0) - PENALTY
        for k, j in upload.pairs:
            for peer, partner, given in ((k, j, score.get(k, 0.0)), (j, k, score.get(j, 0.0))):
                opinions = self.private.setdefault(peer, {})
                opinions[partner] = opinions.get(partner, 0.0) + given
                self.levels[peer] = quartile_among_zeros(list(opinions.values()), peers)


def similarity(rows: Tensor, layout: Layout, norm_share: float = 0.2) -> Tensor:
    """The score [n] of each upload [n, d]: nearness of its norm to the lower median norm (`norm_share`) and of its output
    layer's direction to the coordinate-wise lower median (the rest), minus the lower quartile; 0 where undefined."""
    norms = lengths(rows[:, layout.trainable])
    distance = (norms - norms.median()).abs()
    farthest = distance.max()
    nearness = 1 - distance / farthest if farthest > 0 else torch.ones_like(distance)
    last = rows[:, layout.last_layer]
    centre = by_columns(last, lambda block: (-block).median(dim=0).values).double()
    cosine = (by_rows(last, lambda block: F.cosine_similarity(-block.double(), centre[None])) + 1) / 2
    score = norm_share * nearness + (1 - norm_share) * cosine
    return (score - torch.quantile(score, 0.25)).nan_to_num(0.0)


def quartile_among_zeros(values: Sequence[float], count: int) -> float:
    """The lower quartile of `count` numbers: these, and zeros."""
    ordered = sorted(values)
    negative, zeros = sum(value < 0 for value in ordered), count - len(ordered)

    def ranked(rank: int) -> float:
        if rank < negative:
            return ordered[rank]
        return 0.0 if rank < negative + zeros else ordered[rank - zeros]

    rank, share = divmod(count - 1, 4)
    return float(np.quantile([ranked(rank), ranked(min(rank + 1, count - 1))], share / 4))


def lower_quartile(values: Vector) -> float:
    """The first quartile, interpolated linearly."""
    return float(np.quantile(values, 0.25))
