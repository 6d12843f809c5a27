"""Reading both peers of a pair out of a linear first layer, whichever coordinates they exchanged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fflbench.attacks.reconstruction.analytic import Analytic, apart, first_linear
from fflbench.attacks.reconstruction.pair_sum import pair_of
from fflbench.contracts import Observation, Reconstruction, Rng

MOST_ROWS = 64
"""Neurons that vote: those with most gradient."""

NEAR = 2e-3
"""How far apart two votes for one value may lie, in units of the normalised data."""


@dataclass
class PairVoting(Analytic):
    """Both mixed uploads of a pair together hold every coordinate of both peers. A row of the first weight divided by the
    bias is the input wherever the two coordinates have the same owner, so right values repeat over the rows and wrong ones
    scatter: each input's two most frequent values are the two peers', and who owned the bias tells which belong together.
    Neurons that only one of the two reaches need no vote. For one example a peer; without a pair it is `analytic`.
    """

    reads_pairs: ClassVar[bool] = True
    assumes: ClassVar[str] = "the first layer is linear with a bias; the server has both uploads of a pair; one example each"
    cost: ClassVar[str] = "O(d)"

    def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
        both = pair_of(seen)
        if both is None or seen.examples > 1:
            return super().reconstruct(seen, rng)
        prefix = first_linear(seen.model, seen.task)
        assert prefix is not None
        weights, biases = (seen.layout.view(-both, f"{prefix}{part}").double().nan_to_num(0.0, 0.0, 0.0)
                           for part in ("weight", "bias"))  # fmt: skip
        alive = biases.abs() > 1e-6 * biases.abs().max()
        found = _unshared(weights, biases, alive, seen)
        if len(found) < 2:
            found = _voted(weights, biases, alive.all(0))
        inputs = seen.task.denormalise(found.float().view(-1, *seen.task.input_shape))
        return Reconstruction(inputs, seen.labels)


def _unshared(weights: Tensor, biases: Tensor, alive: Tensor, seen: Observation) -> Tensor:
    """What the neurons show that only one of the two reaches; fewer than two inputs where that is not enough."""
    single = alive[0] ^ alive[1]
    rows = weights.sum(0)[single] / biases.sum(0)[single][:, None]
    if len(rows) < 4:
        return rows[:0]
    chosen = apart(rows, biases.sum(0)[single].abs(), 2, seen.task)
    alike = (torch.cdist(chosen, rows) / rows.shape[1] ** 0.5 < NEAR).sum(1)
    return chosen if len(chosen) == 2 and bool((alike > 1).all()) else rows[:0]


def _voted(weights: Tensor, biases: Tensor, shared: Tensor) -> Tensor:
    """The two inputs [2, k] that most neurons vote for, of those that both peers reach."""
    strength = torch.where(shared, biases.abs().min(0).values, 0.0)
    rows = strength.argsort(descending=True)[: min(MOST_ROWS, int(shared.sum()))]
    if not len(rows):
        return weights.new_zeros(2, weights.shape[2])
    votes = weights[:, None, rows] / biases[None, :, rows, None]  # [upload of the weight, of the bias, row, input]
    every = votes.flatten(0, 2)
    first, _ = _mode(every, torch.zeros_like(every, dtype=torch.bool))
    second, count = _mode(every, (every - first).abs() <= 2 * NEAR)
    second = torch.where(count >= max(2, len(rows) // 4), second, first)  # Few votes: both peers have the first value.
    # With the first upload's bias, does a neuron vote for an input's first value or its second?
    to_first, to_second = ((votes[:, 0] - value).abs().min(0).values for value in (first, second))
    decided = (torch.minimum(to_first, to_second) <= NEAR) & ((first - second).abs() > 4 * NEAR)
    sides = torch.where(decided, (to_second - to_first).sign(), 0.0)
    owner = torch.linalg.svd(sides, full_matrices=False).Vh[0]
    return torch.stack([torch.where(owner >= 0, first, second), torch.where(owner >= 0, second, first)])


def _mode(votes: Tensor, taken: Tensor) -> tuple[Tensor, Tensor]:
    """The value [k] around which most of votes [n, k] lie that are not taken, and how many do."""
    ordered = torch.where(taken, torch.inf, votes).sort(0).values
    above = torch.searchsorted(ordered.T.contiguous(), (ordered + NEAR).T.contiguous(), right=True).T
    counts = torch.where(ordered.isfinite(), above - torch.arange(len(ordered), device=votes.device)[:, None], 0)
    count, start = counts.max(0)
    middle = start + (count - 1).clamp(min=0) // 2
    return ordered.gather(0, middle[None])[0], count
