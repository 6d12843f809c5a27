"""Shortening long updates: what differential privacy starts with, and what many rules do to updates that shout."""

from __future__ import annotations

import torch
from torch import Tensor

from fflbench.blocks import by_rows


def lengths(rows: Tensor) -> Tensor:
    """The L2 norm [n] of rows [n, d], in double precision: squares of large entries overflow in single."""
    return by_rows(rows, lambda block: torch.linalg.vector_norm(block, dim=1, dtype=torch.float64))


def median_length(rows: Tensor) -> float:
    """The median norm of rows [n, d]."""
    ordered = lengths(rows).sort().values
    return float(ordered[(len(rows) - 1) // 2] + ordered[len(rows) // 2]) / 2


def shortening(rows: Tensor, norm: float) -> Tensor:
    """The factor [n] that scales each row [n, d] down to at most that norm."""
    return (norm / lengths(rows).clamp(min=1e-12)).clamp(max=1).to(rows.dtype)


def clip(rows: Tensor, norm: float) -> None:
    """Scale rows [n, d] down to at most that L2 norm, in place."""
    rows.mul_(shortening(rows, norm)[:, None])
