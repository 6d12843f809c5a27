"""How much of the texts an observer found, in tokens; padding is not counted."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fflbench.contracts import Metric, Outcome
from fflbench.metrics.assignment import assigned

PADDING = 0


class TokenRecovery(Metric):
    """Share of a text's tokens that the observer found, as a multiset: the order is left out."""

    label, unit, better, track, low, high = "token recovery", "%", "lower", "reconstruction", 0.0, 100.0

    def compute(self, outcome: Outcome) -> float | None:
        return _mean_share(outcome, common_tokens)


class TokenAccuracy(Metric):
    """Share of a text's positions at which the observer has the right token."""

    label, unit, better, track, low, high = "token accuracy", "%", "lower", "reconstruction", 0.0, 100.0

    def compute(self, outcome: Outcome) -> float | None:
        return _mean_share(outcome, right_positions)


def common_tokens(original: Tensor, guess: Tensor) -> int:
    """How many tokens two texts [length] share, each as often as both have it."""
    size = int(max(original.max(), guess.max())) + 1
    first, second = (torch.bincount(text.clamp(min=PADDING), minlength=size) for text in (original, guess))
    return int(torch.minimum(first, second)[PADDING + 1 :].sum())


def right_positions(original: Tensor, guess: Tensor) -> int:
    """At how many positions two texts [length] have the same token."""
    return int(((original == guess) & (original != PADDING)).sum())


def match_texts(originals: Tensor, guesses: Tensor) -> Tensor:
    """Which guess [n] of `guesses[m, length]` goes with each original: the assignment with most tokens in common, counting
    those in their place twice."""
    gain = [[common_tokens(o, g) + right_positions(o, g) for g in guesses] for o in originals]
    return assigned(-torch.tensor(gain))


def _mean_share(outcome: Outcome, count: Callable[[Tensor, Tensor], int]) -> float | None:
    if outcome.kind != "text" or outcome.originals is None or outcome.guesses is None:
        return None
    pairs = zip(outcome.originals, outcome.guesses, strict=True)
    shares = [count(o, g) / int((o != PADDING).sum()) for o, g in pairs if bool((o != PADDING).any())]
    return 100.0 * sum(shares) / len(shares) if shares else None
