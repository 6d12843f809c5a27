"""What a coalition can reckon with: the honest rows if it sees them, its members' own otherwise."""

from __future__ import annotations

import torch
from torch import Tensor

from fflbench.blocks import by_columns


def visible_rows(malicious: Tensor, honest: Tensor | None) -> Tensor:
    """The rows [k, d] from which a coalition estimates what honest peers send. Members train honestly too, so their own rows
    stand in for those of the others; k is never 0."""
    return malicious if honest is None or len(honest) == 0 else honest


def sent_by_all(vector: Tensor, malicious: Tensor) -> Tensor:
    """The same row [d] from every member: [b, d], of which one row is in memory."""
    return vector.expand_as(malicious)


def deviation(rows: Tensor) -> Tensor:
    """The standard deviation [d] of rows [k, d], dividing by k: 0 for a single row."""
    return by_columns(rows, lambda block: torch.std(block, dim=0, correction=0))
