"""The FFL authors' code calls an output of Adult and IMDB positive from a logit of 0.5 on (a probability of 0.62), the
benchmark from 0 on. These metrics score as theirs does: `fflbench run paper-flip --plugin docs/runs/logit_threshold.py`."""

from __future__ import annotations

from torch import Tensor

from fflbench.contracts import Metric, Outcome
from fflbench.registry import register

THRESHOLD = 0.5


def _positive(outputs: Tensor | None) -> Tensor | None:
    """Whether each output [n, 1] reaches the threshold; None for models with an output per class."""
    return outputs[:, 0] > THRESHOLD if outputs is not None and outputs.shape[1] == 1 else None


def _share(found: Tensor | None, wanted: Tensor | None) -> float | None:
    """Percent of the examples of which that is found which is wanted."""
    if found is None or wanted is None or not len(wanted):
        return None
    return 100.0 * float((found.long() == wanted).double().mean())


@register("accuracy-logit-0.5")
class AccuracyFromHalf(Metric):
    """Accuracy where an output counts as positive from a logit of 0.5 on."""

    label, unit, better, track, low, high = "accuracy from logit 0.5", "%", "higher", "poisoning", 0.0, 100.0

    def compute(self, outcome: Outcome) -> float | None:
        return _share(_positive(outcome.outputs), outcome.targets)


@register("source-accuracy-logit-0.5")
class SourceAccuracyFromHalf(Metric):
    """Source accuracy where an output counts as positive from a logit of 0.5 on."""

    label, unit, better, track, low, high = "source accuracy from logit 0.5", "%", "higher", "poisoning", 0.0, 100.0

    def compute(self, outcome: Outcome) -> float | None:
        return _share(_positive(outcome.wanted_outputs), outcome.wanted_targets)


@register("attack-success-logit-0.5")
class AttackSuccessFromHalf(Metric):
    """Attack success where an output counts as positive from a logit of 0.5 on."""

    label, unit, better, track, low, high = "attack success from logit 0.5", "%", "lower", "poisoning", 0.0, 100.0

    def compute(self, outcome: Outcome) -> float | None:
        return _share(_positive(outcome.wanted_outputs), outcome.wanted)
