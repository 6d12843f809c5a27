"""Shortening long updates: what differential privacy starts with, and what many rules do to updates that shout."""

from __future__ import annotations

from torch import Tensor

from fflbench.defenses.aggregation.row_sums import lengths


def median_of(norms: Tensor) -> float:
    """The median of norms [n]; of an even number the mean of the two middle ones."""
    ordered = norms.sort().values
    return float(ordered[(len(norms) - 1) // 2] + ordered[len(norms) // 2]) / 2


def shortening(norms: Tensor, norm: float) -> Tensor:
    """The factor [n] that scales each row of norms [n] down to at most that norm."""
    return (norm / norms.clamp(min=1e-12)).clamp(max=1)


def clip(rows: Tensor, norm: float, norms: Tensor | None = None) -> None:
    """Scale rows [n, d], of these `norms` [n] where they are known, down to at most that L2 norm, in place."""
    factors = shortening(lengths(rows) if norms is None else norms, norm)
    rows.mul_(factors.to(rows.dtype)[:, None])
