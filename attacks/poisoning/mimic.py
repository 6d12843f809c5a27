"""Mimic (Karimireddy et al. 2022): over-represent one honest peer, so that the others look like outliers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from fflbench.attacks.poisoning.visible import sent_by_all, visible_rows
from fflbench.blocks import by_columns, column_blocks, columns_at_once
from fflbench.contracts import Knowledge, PoisoningAttack, Round
from fflbench.duration import Duration


@dataclass
class Mimic(PoisoningAttack):
    """All copy one honest update: with `choice` "fixed" that of the round's first honest peer, with "variance" the one that
    lies farthest along the direction in which honest updates vary most, learned over the first `warmup` rounds."""

    knowledge = Knowledge.OMNISCIENT
    paper: ClassVar[str] = "https://arxiv.org/abs/2006.09365"
    assumes: ClassVar[str] = "peers hold different data; nothing an honest peer would not send"
    cost: ClassVar[str] = "O(h d)"
    workspace: ClassVar[float] = 0.1

    choice: Literal["fixed", "variance"] = "variance"
    warmup: Annotated[Duration, Field(ge=1)] = 10

    direction: Tensor | None = field(default=None, init=False, repr=False)

    def poison_updates(self, malicious: Tensor, honest: Tensor | None, round: Round) -> Tensor:
        rows = visible_rows(malicious, honest)
        if self.choice == "fixed":
            return sent_by_all(rows[0], malicious)
        if round.index < self.warmup or self.direction is None:
            self._learn(rows, round)
        assert self.direction is not None
        return sent_by_all(rows[int(spread_along(rows, self.direction).argmax())], malicious)

    def _learn(self, rows: Tensor, round: Round) -> None:
        """A step of power iteration, averaged over the rounds so far."""
        if self.direction is None:
            generator = round.rng.at("mimic").torch(rows.device)
            self.direction = torch.randn(rows.shape[1], generator=generator, device=rows.device)
        seen = round.index + 1
        along = spread_along(rows, self.direction)
        step = by_columns(rows, lambda block: (block - block.mean(0)).T @ along)
        mixed = self.direction * (seen - 1) / seen + step / step.norm().clamp(min=1e-12) / seen
        self.direction = mixed / mixed.norm().clamp(min=1e-12)


def spread_along(rows: Tensor, direction: Tensor) -> Tensor:
    """The inner product [k] of each of rows [k, d], seen from their mean, with a direction [d]."""
    along = rows.new_zeros(len(rows))
    for block, part in zip(column_blocks(rows), torch.split(direction, columns_at_once(rows)), strict=True):
        along += (block - block.mean(0)) @ part
    return along
