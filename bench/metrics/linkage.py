"""Whether an observer can tell which upload is whose."""

from __future__ import annotations

from fflbench.contracts import Metric, Outcome


class LinkageAccuracy(Metric):
    """How often the observer finds the victim's upload among unnamed ones; of several that it holds for equally likely, one
    is drawn. One by the number of uploads shows nothing."""

    label, unit, better, track, low, high = "linkage accuracy", "%", "lower", "reconstruction", 0.0, 100.0

    def compute(self, outcome: Outcome) -> float | None:
        if outcome.links is None or outcome.linked is None:
            return None
        scores = outcome.links.nan_to_num(nan=-float("inf"), posinf=float("inf"), neginf=-float("inf"))
        most = scores == scores.max()
        return 100 * float(most[outcome.linked]) / float(most.sum())
