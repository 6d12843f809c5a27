"""Fang et al. 2020 against trimmed mean and median: just beyond the honest values, on the wrong side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from fflbench.attacks.poisoning.visible import visible_rows
from fflbench.contracts import Knowledge, PoisoningAttack, Round


@dataclass
class FangTrim(PoisoningAttack):
    """Where the honest mean rises, the attackers draw values between the honest minimum and `beyond` times as far down;
    where it falls, between the maximum and as far up."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1911.11815"
    assumes: ClassVar[str] = "the rule works coordinate by coordinate"
    cost: ClassVar[str] = "O(h d)"
    workspace: ClassVar[float] = 0.5

    beyond: Annotated[float, Field(gt=1)] = 2.0
    knowledge: Knowledge = Knowledge.OMNISCIENT

    def poison_updates(self, malicious: Tensor, honest: Tensor | None, round: Round) -> Tensor:
        rows = visible_rows(malicious, honest)
        low, high, rising = rows.amin(0), rows.amax(0), rows.mean(0) > 0
        under = torch.where(low > 0, low / self.beyond, low * self.beyond)
        over = torch.where(high > 0, high * self.beyond, high / self.beyond)
        near, far = torch.where(rising, low, high), torch.where(rising, under, over)
        generator = round.rng.at("fang-trim").torch(malicious.device)
        share = torch.rand(malicious.shape, generator=generator, device=malicious.device)
        return share.mul_(far - near).add_(near)
