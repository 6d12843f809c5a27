"""Fang et al. 2020 against Krum: the largest step against the honest direction that Krum still picks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from fflbench.attacks.poisoning.deviation import distances_between
from fflbench.attacks.poisoning.visible import sent_by_all, visible_rows
from fflbench.blocks import by_rows
from fflbench.contracts import Knowledge, PoisoningAttack, Round
from fflbench.defenses.aggregation.row_sums import lengths


@dataclass
class FangKrum(PoisoningAttack):
    """All send -lambda times the signs of the honest mean: lambda starts at the paper's upper bound and is halved until Krum
    would pick the row, or until `smallest`, when the attack gives up and sends that."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1911.11815"
    assumes: ClassVar[str] = "the server runs Krum with f = the number of attackers, and b >= 2"
    cost: ClassVar[str] = "O(n^2 d)"
    workspace: ClassVar[float] = 0.2

    smallest: Annotated[float, Field(gt=0)] = 1e-5
    knowledge: Knowledge = Knowledge.OMNISCIENT

    def poison_updates(self, malicious: Tensor, honest: Tensor | None, round: Round) -> Tensor:
        rows = visible_rows(malicious, honest)
        signs, b = rows.mean(0).sign(), len(malicious)
        between = distances_between(rows)
        strength = upper_bound(rows, between, b)
        while strength > self.smallest and not krum_picks(-strength * signs, rows, between, b):
            strength /= 2
        return sent_by_all(-max(strength, self.smallest) * signs, malicious)


def upper_bound(honest: Tensor, between: Tensor, attackers: int) -> float:
    """The paper's bound on lambda for h honest rows, their squared distances [h, h] and n = h + b; the global model is at 0,
    as rows are deltas."""
    n, dimension = len(honest) + attackers, honest.shape[1]
    near = max(1, n - attackers - 2)
    nearest = between.sqrt().sort(dim=1).values[:, 1 : near + 1].sum(1).min()
    farthest = lengths(honest).max()
    return float(nearest / (max(1, n - 2 * attackers - 1) * dimension**0.5) + farthest / dimension**0.5)


def krum_picks(row: Tensor, honest: Tensor, between: Tensor, attackers: int) -> bool:
    """Whether Krum with f = b picks `row` [d], sent b times beside the honest rows, whose squared distances are known."""
    away = by_rows(honest, lambda block: (block.double() - row.double()).square().sum(1))
    near = max(1, len(honest) - 2)
    same = away.new_zeros(attackers - 1)
    own = torch.cat([same, away]).sort().values[:near].sum()
    others = torch.cat([away[:, None].expand(-1, attackers), between.clone().fill_diagonal_(torch.inf)], dim=1)
    return bool(own <= others.sort(dim=1).values[:, :near].sum(1).min())
