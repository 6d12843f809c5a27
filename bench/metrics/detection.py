"""How well a defense tells attackers from honest peers."""

from __future__ import annotations

import torch

from fflbench.contracts import Metric, Outcome


class DetectionAuc(Metric):
    """Area under the ROC curve of trust: the chance that an honest peer is trusted more than an attacker, ties half."""

    label, better, track, low, high = "detection AUC", "higher", "poisoning", 0.0, 1.0

    def compute(self, outcome: Outcome) -> float | None:
        if not outcome.trust or not outcome.attackers:
            return None
        trusted = outcome.trust.items()
        honest = torch.tensor([trust for peer, trust in trusted if peer not in outcome.attackers], dtype=torch.float64)
        attackers = torch.tensor([trust for peer, trust in trusted if peer in outcome.attackers], dtype=torch.float64)
        if not len(honest) or not len(attackers):
            return None
        ahead, level = honest[:, None] > attackers, honest[:, None] == attackers
        return (int(ahead.sum()) + int(level.sum()) / 2) / ahead.numel()
