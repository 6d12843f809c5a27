"""How far a row may stray from the mean of the honest ones without standing out: shared by min-max and min-sum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from fflbench.attacks.poisoning.visible import deviation, sent_by_all, visible_rows
from fflbench.blocks import column_blocks, columns_at_once
from fflbench.contracts import Knowledge, PoisoningAttack, Round

Direction = Literal["unit", "sign", "std"]


@dataclass
class Deviation(PoisoningAttack):
    """All send mean + gamma p, for a direction p and as large a gamma as does not stand out."""

    paper: ClassVar[str] = (
        "https://www.ndss-symposium.org/ndss-paper/manipulating-the-byzantine-optimizing-model-poisoning-attacks-and-defenses-for-federated-learning/"
    )
    assumes: ClassVar[str] = "the rule looks at distances, or not at all"
    cost: ClassVar[str] = "O(h^2 d)"

    direction: Direction = "unit"
    knowledge: Knowledge = Knowledge.OMNISCIENT

    def largest_gamma(self, rows: Tensor, p: Tensor) -> float:
        """How far along p [d] a row may lie from the mean of the honest rows [h, d]."""
        raise NotImplementedError

    def poison_updates(self, malicious: Tensor, honest: Tensor | None, round: Round) -> Tensor:
        rows = visible_rows(malicious, honest)
        p, mean = perturbation(rows, self.direction), rows.mean(0)
        return sent_by_all(mean + self.largest_gamma(rows, p) * p, malicious)


def perturbation(rows: Tensor, direction: Direction) -> Tensor:
    """The direction [d] in which to stray: against the mean (`unit`), against its signs, or against the spread."""
    mean = rows.mean(0)
    if direction == "sign":
        return -mean.sign()
    if direction == "std":
        return -deviation(rows)
    unit: Tensor = -mean / mean.norm().clamp(min=1e-12)
    return unit


def distances_between(rows: Tensor) -> Tensor:
    """Squared distances [k, k] in double precision."""
    gram = torch.zeros(len(rows), len(rows), dtype=torch.float64, device=rows.device)
    for block in column_blocks(rows):
        wide = block.double()
        wide = wide - wide.mean(0)
        gram += wide @ wide.T
    norms = gram.diagonal()
    return (norms[:, None] + norms[None] - 2 * gram).clamp(min=0).fill_diagonal_(0)


def offsets_along(rows: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    """Of the offsets from each row [k, d] to the mean: the inner product with p [d], and the squared length [k], both in
    double precision."""
    along = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
    squares = torch.zeros_like(along)
    for block, part in zip(column_blocks(rows), torch.split(p.double(), columns_at_once(rows)), strict=True):
        offsets = block.mean(0).double() - block.double()
        along += offsets @ part
        squares += offsets.square().sum(1)
    return along, squares


def largest_root(a: float, b: Tensor, c: Tensor) -> Tensor:
    """The larger root of a x^2 + 2 b x + c = 0 where c <= 0 up to rounding, entry by entry; 0 where a is 0."""
    if a == 0:
        return torch.zeros_like(b)
    return (-b + (b.square() - a * c).clamp(min=0).sqrt()) / a
