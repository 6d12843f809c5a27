"""How much of the rows of a table an observer found: features that are right, whatever the order of the rows."""

from __future__ import annotations

import torch
from torch import Tensor

from fflbench.contracts import Metric, Outcome
from fflbench.metrics.assignment import assigned

TOLERANCE = 0.319
"""How far a number may be off, in standard deviations of its feature (Vero et al. 2023, https://arxiv.org/abs/2210.01785)."""

Levels = tuple[tuple[float, ...], ...]


class FeatureRecovery(Metric):
    """Share of the victim's features that are right: categories exactly, numbers within 0.319 standard deviations."""

    label, unit, better, track, low, high = "feature recovery", "%", "lower", "reconstruction", 0.0, 100.0

    def compute(self, outcome: Outcome) -> float | None:
        if outcome.kind != "tabular" or outcome.originals is None or outcome.guesses is None:
            return None
        right = right_features(outcome.originals, outcome.guesses, outcome.levels, outcome.spread)
        return 100.0 * float(right.double().mean())


def right_features(originals: Tensor, guesses: Tensor, levels: Levels, spread: Tensor | None) -> Tensor:
    """Which features [..., features] of the guesses are right. A category is right when the level nearest to the guess is
    the level nearest to the original; without `levels` every feature is a number."""
    scale = torch.ones(originals.shape[-1]) if spread is None else spread
    right = (originals - guesses).abs() <= TOLERANCE * scale
    for feature, values in enumerate(levels):
        if values:
            true, guess = (nearest(part[..., feature], values) for part in (originals, guesses))
            right[..., feature] = true == guess
    return right


def nearest(numbers: Tensor, values: tuple[float, ...]) -> Tensor:
    """The index of the value nearest to each number."""
    return (numbers[..., None] - torch.tensor(values, dtype=numbers.dtype, device=numbers.device)).abs().argmin(-1)


def match_rows(originals: Tensor, guesses: Tensor, levels: Levels, spread: Tensor | None) -> Tensor:
    """Which guess [n] of `guesses[m, features]` goes with each original: the assignment with most features right, and among
    those the nearest."""
    wrong = ~right_features(originals[:, None], guesses[None], levels, spread)
    distance = (originals[:, None] - guesses[None]).double().square().mean(2)
    return assigned(wrong.double().mean(2) + 1e-6 * distance.clamp(max=1))
