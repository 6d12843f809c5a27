"""How long a backdoor stays after the attackers have gone."""

from __future__ import annotations

from fflbench.contracts import Metric, Outcome

THRESHOLD = 50.0
"""Percent of attack success below which a backdoor counts as gone."""


class Lifespan(Metric):
    """Rounds after the attackers left until the attack succeeds in fewer than half of the cases (Zhang et al. 2022); all the
    rounds that were watched if it never does."""

    label, unit, better, track, low = "lifespan", "rounds", "lower", "poisoning", 0.0

    def compute(self, outcome: Outcome) -> float | None:
        if outcome.left is None:
            return None
        after = [(index, value) for index, value in outcome.success if index >= outcome.left]
        if not after:
            return None
        gone = next((index for index, value in after if value < THRESHOLD), after[-1][0] + 1)
        return float(gone - outcome.left)
