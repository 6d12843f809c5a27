"""The scores of a defense over the attacks of one threat model: worst case and mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fflbench.leaderboard.entries import applies
from fflbench.leaderboard.intervals import average
from fflbench.leaderboard.measures import Measure, derived, measure
from fflbench.leaderboard.results import Task
from fflbench.leaderboard.threats import Threat, threats

How = Callable[[list[float]], float]

LEAKS = {
    "psnr": "worst-case PSNR",
    "ssim": "worst-case SSIM",
    "best-psnr": "worst-case PSNR of the best image",
    "label-recovery": "highest label recovery",
    "token-recovery": "highest token recovery",
    "feature-recovery": "highest feature recovery",
    "membership-auc": "highest membership AUC",
}
DECIDING = ("psnr", "token-recovery", "feature-recovery", "membership-auc")
"""What ranks a reconstruction: the first of these that any attack of the threat has."""


@dataclass(frozen=True)
class Total:
    """A score over some attacks of a task. `threat` is empty for the score without attackers."""

    measure: Measure
    metric: Measure
    attacks: tuple[str, ...]
    how: How
    threat: str = ""


def totals_of(task: Task) -> list[Total]:
    """All scores of a task, those of the weakest threat first."""
    make = _poisoning if task.track == "poisoning" else _reconstruction
    found = [total for threat in threats(task) for total in make(task, threat)]
    if task.clean:
        accuracy = measure("accuracy")
        found.insert(0, Total(derived("clean-accuracy", "clean accuracy", accuracy), accuracy, (task.clean,), average))
    return found


def deciding(task: Task, threat: Threat) -> str:
    """The name of the total that ranks under a threat."""
    if task.track == "poisoning":
        return f"worst-accuracy{threat.suffix}"
    found = (name for name in DECIDING if any(applies(task, attack, name) for attack in threat.attacks))
    return f"worst-{next(found, 'psnr')}{threat.suffix}"


def _poisoning(task: Task, threat: Threat) -> list[Total]:
    accuracy, success = measure("accuracy"), measure("attack-success")
    source, detection = measure("source-accuracy"), measure("detection-auc")
    targeted, hit, detectable = (_with(task, threat, about.name) for about in (success, source, detection))
    return [
        _total("worst-accuracy", "worst-case accuracy", accuracy, threat.attacks, min, threat),
        _total("mean-accuracy", "mean accuracy", accuracy, threat.attacks, average, threat),
        _total("worst-attack-success", "highest attack success", success, targeted, max, threat),
        _total("worst-source-accuracy", "lowest source accuracy", source, hit, min, threat),
        _total("mean-detection-auc", "mean detection AUC", detection, detectable, average, threat),
    ]


def _reconstruction(task: Task, threat: Threat) -> list[Total]:
    found = []
    for name, label in LEAKS.items():
        attacks = _with(task, threat, name)
        found.append(_total(f"worst-{name}", label, measure(name), attacks, max, threat))
        if name == "psnr":
            found.append(_total("mean-psnr", "mean PSNR", measure(name), attacks, average, threat))
    return found


def _total(name: str, label: str, base: Measure, attacks: tuple[str, ...], how: How, threat: Threat) -> Total:
    words = f"{label}, {threat.name}" if threat.suffix else label
    return Total(derived(f"{name}{threat.suffix}", words, base), base, attacks, how, threat.name)


def _with(task: Task, threat: Threat, metric: str) -> tuple[str, ...]:
    return tuple(attack for attack in threat.attacks if applies(task, attack, metric))
