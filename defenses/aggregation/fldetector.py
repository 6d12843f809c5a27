"""FLDetector (Zhang et al. 2022): attackers' updates do not follow from their last ones as an honest peer's do."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from fflbench.contracts import Aggregate, Aggregator, Layout, Round, TaskView, Upload, Visibility
from fflbench.defenses.aggregation.gap import is_split, upper_group
from fflbench.defenses.aggregation.row_sums import distances_to, mean_of
from fflbench.defenses.aggregation.statistics import with_statistics
from fflbench.duration import Duration


@dataclass
class FLDetector(Aggregator):
    """The mean of the uploads of peers that are not suspected. A peer's update is predicted as its last one plus the Hessian
    (L-BFGS over the last `window` rounds) times the global model's change since; its score is its share of all prediction
    errors, averaged over its last `window`. From round `start` on, and once `window` rounds are scored, the gap statistic
    says whether the scores form more than one cluster; if so, the upper of two is suspected from then on, and scoring
    begins afresh. The trust in a peer is minus its score, -1 in a suspect. Batch-norm statistics take the median."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2207.09209"
    needs: ClassVar[Visibility] = Visibility.INDIVIDUAL
    follows_peers: ClassVar[bool] = True
    assumes: ClassVar[str] = "attackers are there from the start and inconsistent over rounds; peers take part often"
    cost: ClassVar[str] = "O((n + window) d) memory and time"
    workspace: ClassVar[float] = 0.1

    window: Annotated[Duration, Field(ge=2)] = 10
    start: Annotated[Duration, Field(ge=0)] = 50

    suspects: set[int] = field(default_factory=set, init=False, repr=False)
    scores: dict[int, deque[float]] = field(default_factory=dict, init=False, repr=False)
    scored: int = field(default=0, init=False, repr=False)
    seen: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict, init=False, repr=False)
    """Of each peer the gradient that its last update stands for, and the global model that it started from."""
    past: tuple[Tensor, Tensor] | None = field(default=None, init=False, repr=False)
    """The mean gradient of the last round and the global model that it started from."""
    changes: deque[tuple[Tensor, Tensor]] = field(default_factory=deque, init=False, repr=False)
    """By round, how the global model changed and how the mean gradient did."""

    def unfit(self, uploads: int, tolerated: int, task: TaskView) -> str | None:
        first = max(self.start, self.window + 1)
        if first < task.rounds:
            return None
        return f"looks for attackers from round {first} on, the task has {task.rounds}; give a smaller start or window"

    def remembers(self, layout: Layout) -> int:
        return int(layout.trainable.stop)

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        known = [i for i, peer in enumerate(upload.peers) if peer not in self.suspects]
        if known:
            self._score({upload.peers[i]: upload.rows[i] for i in known}, round)
            self._look(round)
        kept = [i for i in known if upload.peers[i] not in self.suspects]
        trust = {peer: -1.0 if peer in self.suspects else -self._standing(peer) for peer in upload.peers}
        if not kept:
            return Aggregate(torch.zeros_like(upload.rows[0]), trust)
        mean = mean_of(upload.rows[:, round.layout.trainable], kept)
        self._remember(-mean, round.global_vector[round.layout.trainable])
        return Aggregate(with_statistics(mean, upload.rows, round.layout, kept), trust)

    def _score(self, rows: dict[int, Tensor], round: Round) -> None:
        """Compare what came, by peer, with what was to be expected."""
        model = round.global_vector[round.layout.trainable]
        errors: dict[int, float] = {}
        drift: dict[int, tuple[Tensor, Tensor]] = {}  # With the model it starts from, so that its id stays taken.
        for peer, row in rows.items():
            gradient = -row[round.layout.trainable]
            if self.changes and peer in self.seen:
                last, origin = self.seen[peer]
                if id(origin) not in drift:
                    drift[id(origin)] = origin, hessian_times(model - origin, list(self.changes))
                errors[peer] = float(distances_to(gradient[None], last + drift[id(origin)][1])[0])
            self.seen[peer] = (gradient, model)
        total = sum(errors.values())
        for peer, error in errors.items():
            self.scores.setdefault(peer, deque(maxlen=self.window)).append(error / total if total > 0 else 0.0)
        self.scored += bool(errors)

    def _look(self, round: Round) -> None:
        """Suspect the upper group, if there are two."""
        if round.index < self.start or self.scored < self.window or len(self.scores) < 3:
            return
        peers = sorted(self.scores)
        standing = np.array([self._standing(peer) for peer in peers])
        if is_split(standing, round.rng.at("fldetector").numpy()):
            self.suspects |= {peer for peer, upper in zip(peers, upper_group(standing), strict=True) if upper}
            self.scores.clear()
            self.scored = 0

    def _standing(self, peer: int) -> float:
        return float(np.mean(self.scores[peer])) if peer in self.scores else 0.0

    def _remember(self, gradient: Tensor, model: Tensor) -> None:
        if self.past is not None:
            self.changes.append((model - self.past[1], gradient - self.past[0]))
        while len(self.changes) > self.window:
            self.changes.popleft()
        self.past = (gradient, model)


def hessian_times(vector: Tensor, changes: list[tuple[Tensor, Tensor]]) -> Tensor:
    """The Hessian that L-BFGS infers from changes (of the model, of its gradient), oldest first, times a vector [d]; in the
    compact form of Byrd et al. 1994. Changes of negative curvature say nothing and are left out; without any it is 0."""
    used = [(s, y) for s, y in changes if float(s @ y) > 1e-10 * float(s.norm() * y.norm())]
    if not used:
        return torch.zeros_like(vector)
    steps, bends = (torch.stack(list(part)) for part in zip(*used, strict=True))
    inner, product = (steps.double() @ bends.double().T), (steps.double() @ steps.double().T)
    sigma = inner[-1, -1] / product[-1, -1]
    lower, diagonal = inner.tril(-1), inner.diagonal().diag()
    middle = torch.cat([torch.cat([sigma * product, lower], 1), torch.cat([lower.T, -diagonal], 1)])
    basis = torch.cat([sigma.to(steps.dtype) * steps, bends])
    inverse: Tensor = torch.linalg.pinv(middle)
    weights = inverse @ (basis.double() @ vector.double())
    return sigma.to(vector.dtype) * vector - weights.to(vector.dtype) @ basis
