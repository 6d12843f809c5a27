"""Shortening long updates: what differential privacy starts with."""

from __future__ import annotations

from torch import Tensor


def clipped(rows: Tensor, norm: float) -> Tensor:
    """Rows [n, d] scaled down to at most that L2 norm."""
    lengths = rows.norm(dim=1, keepdim=True)
    return rows * (norm / lengths.clamp(min=1e-12)).clamp(max=1)
