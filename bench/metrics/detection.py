"""How well a defense tells attackers from honest peers."""

from __future__ import annotations

from scipy.stats import rankdata

from fflbench.contracts import Metric, Outcome


class DetectionAuc(Metric):
    """Area under the ROC curve of trust: the chance that an honest peer is trusted more than an attacker, ties half."""

    label, better, track, low, high = "detection AUC", "higher", "poisoning", 0.0, 1.0

    def compute(self, outcome: Outcome) -> float | None:
        if not outcome.trust or not outcome.attackers:
            return None
        peers = sorted(outcome.trust)
        ranks = rankdata([outcome.trust[peer] for peer in peers])
        honest = [rank for peer, rank in zip(peers, ranks, strict=True) if peer not in outcome.attackers]
        attackers = len(peers) - len(honest)
        if not honest or not attackers:
            return None
        wins = sum(honest) - len(honest) * (len(honest) + 1) / 2
        return float(wins / (len(honest) * attackers))
