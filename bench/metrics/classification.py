"""How good the model is, on everything and on what an attack was after. Percentages run from 0 to 100."""

from __future__ import annotations

import torch

from fflbench.contracts import Metric, Outcome
from fflbench.federation.loss import predict, task_loss


class TestLoss(Metric):
    """Mean cross-entropy on the test data (binary cross-entropy for models with one logit)."""

    __test__ = False
    label, better, track, low, each_round = "test loss", "lower", "poisoning", 0.0, True

    def compute(self, outcome: Outcome) -> float | None:
        if outcome.outputs is None or outcome.targets is None:
            return None
        return float(task_loss(outcome.outputs.double(), outcome.targets))


class Accuracy(Metric):
    """Share of all test examples that are classified right."""

    label, unit, better, track, low, high, each_round = "accuracy", "%", "higher", "poisoning", 0.0, 100.0, True

    def compute(self, outcome: Outcome) -> float | None:
        if outcome.outputs is None or outcome.targets is None:
            return None
        return percentage(predict(outcome.outputs) == outcome.targets)


class WorstClassAccuracy(Metric):
    """Accuracy on the class that fares worst."""

    label, unit, better, track, low, high = "worst class", "%", "higher", "poisoning", 0.0, 100.0

    def compute(self, outcome: Outcome) -> float | None:
        values = [value for value in class_accuracies(outcome).values() if value is not None]
        return min(values, default=None)


class SourceAccuracy(Metric):
    """Share of the examples that the attack is after that are classified right all the same."""

    label, unit, better, track, low, high = "source accuracy", "%", "higher", "poisoning", 0.0, 100.0
    each_round = True

    def compute(self, outcome: Outcome) -> float | None:
        if outcome.wanted_outputs is None or outcome.wanted_targets is None:
            return None
        return percentage(predict(outcome.wanted_outputs) == outcome.wanted_targets)


class AttackSuccess(Metric):
    """Share of the examples that the attack is after that are classified as the attack wants."""

    label, unit, better, track, low, high = "attack success", "%", "lower", "poisoning", 0.0, 100.0
    each_round = True

    def compute(self, outcome: Outcome) -> float | None:
        if outcome.wanted_outputs is None or outcome.wanted is None:
            return None
        return percentage(predict(outcome.wanted_outputs) == outcome.wanted)


def percentage(hits: torch.Tensor) -> float | None:
    """The share of true entries in percent; None of nothing."""
    return 100.0 * int(hits.sum()) / len(hits) if len(hits) else None


def class_accuracies(outcome: Outcome) -> dict[int, float | None]:
    """Accuracy per class present in the test data."""
    if outcome.outputs is None or outcome.targets is None:
        return {}
    right = predict(outcome.outputs) == outcome.targets
    return {int(c): percentage(right[outcome.targets == c]) for c in torch.unique(outcome.targets)}
