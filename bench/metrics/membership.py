"""Whether an observer can tell the victim's records from others."""

from __future__ import annotations

import torch
from torch import Tensor

from fflbench.contracts import Metric, Outcome


class MembershipAuc(Metric):
    """How often the observer holds a record of the victim for more likely its own than a stranger's: 0.5 shows nothing."""

    label, better, track, low, high = "membership AUC", "lower", "reconstruction", 0.0, 1.0

    def compute(self, outcome: Outcome) -> float | None:
        if outcome.membership is None or outcome.members is None:
            return None
        return area_under_curve(outcome.membership, outcome.members)


def area_under_curve(scores: Tensor, members: Tensor) -> float | None:
    """The share of pairs of a member and a stranger in which the member scores more, ties counting half; a score that is
    not a number is the least. None without both kinds."""
    scores = scores.double().nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
    inside, outside = scores[members][:, None], scores[~members][None]
    if inside.numel() == 0 or outside.numel() == 0:
        return None
    return float(((inside > outside).double() + (inside == outside).double() / 2).mean())
