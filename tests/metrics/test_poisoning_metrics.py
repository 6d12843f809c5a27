"""Accuracy, attack success and detection by hand."""

from __future__ import annotations

import pytest
import torch

from fflbench.contracts import Outcome
from fflbench.metrics.classification import (
    Accuracy,
    AttackSuccess,
    SourceAccuracy,
    TestLoss,
    WorstClassAccuracy,
    class_accuracies,
)
from fflbench.metrics.detection import DetectionAuc
from fflbench.metrics.scoring import metrics, score

OUTPUTS = torch.tensor([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
TARGETS = torch.tensor([0, 1, 1, 2])


def test_accuracy_overall_and_by_class() -> None:
    outcome = Outcome(outputs=OUTPUTS, targets=TARGETS)
    assert Accuracy().compute(outcome) == 75
    assert class_accuracies(outcome) == {0: 100, 1: 50, 2: 100}
    assert WorstClassAccuracy().compute(outcome) == 50


def test_loss_is_the_mean_cross_entropy() -> None:
    right, wrong = torch.log(torch.tensor(2.0).exp() + 2) - 2, torch.log(torch.tensor(2.0).exp() + 2)
    assert TestLoss().compute(Outcome(outputs=OUTPUTS, targets=TARGETS)) == pytest.approx(float(3 * right + wrong) / 4)


def test_one_logit_is_binary() -> None:
    outcome = Outcome(outputs=torch.tensor([[3.0], [-1.0], [0.5]]), targets=torch.tensor([1, 0, 0]))
    assert Accuracy().compute(outcome) == pytest.approx(200 / 3)
    logit = torch.tensor([3.0, -1.0, 0.5])
    losses = torch.nn.functional.softplus(torch.stack([-logit[0], logit[1], logit[2]]))
    assert TestLoss().compute(outcome) == pytest.approx(float(losses.mean()))


def test_source_accuracy_and_attack_success_need_not_add_up() -> None:
    outcome = Outcome(wanted_outputs=OUTPUTS, wanted_targets=TARGETS, wanted=torch.tensor([1, 0, 0, 0]))
    assert SourceAccuracy().compute(outcome) == 75
    assert AttackSuccess().compute(outcome) == 25


@pytest.mark.parametrize(("trust", "attackers", "auc"), [
    ({0: 1.0, 1: 2.0, 2: 0.5}, (2,), 1.0),
    ({0: 1.0, 1: 2.0, 2: 3.0}, (2,), 0.0),
    ({0: 1.0, 1: 1.0, 2: 1.0}, (2,), 0.5),
    ({0: 1.0, 1: 3.0, 2: 2.0, 3: 0.0}, (2, 3), 0.75),
    ({0: 1.0, 1: 1.0 + 1e-12, 2: 1.0}, (2,), 0.75),
    ({0: 1.0}, (5,), None),
    ({}, (2,), None),
    ({0: 1.0, 1: 2.0}, (), None),
])  # fmt: skip
def test_detection(trust: dict[int, float], attackers: tuple[int, ...], auc: float | None) -> None:
    assert DetectionAuc().compute(Outcome(trust=trust, attackers=attackers)) == auc


def test_every_registered_metric_says_what_it_is() -> None:
    for track in ("poisoning", "reconstruction"):
        found = metrics(track)
        assert found
        for metric in found.values():
            assert metric.label
            assert metric.better in ("higher", "lower")


def test_what_cannot_be_measured_is_none_and_never_nan() -> None:
    assert set(score("poisoning", Outcome()).values()) == {None}
    broken = Outcome(outputs=torch.full((2, 3), float("nan")), targets=torch.tensor([0, 1]))
    assert score("poisoning", broken)["test-loss"] is None
