"""Distances and inner products of rows, exact even when rows share a large common part or one lies far away."""

from __future__ import annotations

import torch
from torch import Tensor

from fflbench.blocks import columns_at_once

_CANCELLED = 1e-9
"""Below this share of the norms, a distance from inner products has lost its digits."""

BLOCK = 1 << 16
"""How many columns are worked on in double precision at once."""


def squared_distances(rows: Tensor, block: int = BLOCK) -> Tensor:
    """[n, n] float64 from rows [n, d]: inner products of centred rows in double precision, block by block; pairs that
    are much closer to each other than to the centre are measured directly."""
    n = len(rows)
    gram = torch.zeros(n, n, dtype=torch.float64, device=rows.device)
    for part in torch.split(rows, min(block, columns_at_once(rows)), dim=1):
        wide = part.double()
        wide = wide - wide.mean(0)
        gram += wide @ wide.T
    norms = gram.diagonal()
    sums = norms[:, None] + norms[None]
    distances = (sums - 2 * gram).clamp_(min=0)
    for i, j in (distances <= _CANCELLED * sums).triu(1).nonzero().tolist():
        distances[i, j] = distances[j, i] = _apart(rows[i], rows[j])
    return distances.fill_diagonal_(0)


def _apart(first: Tensor, second: Tensor) -> float:
    """The squared distance of two rows [d], often the same one sent by two attackers."""
    return 0.0 if torch.equal(first, second) else float((first.double() - second.double()).square().sum())


def inner_products(rows: Tensor, origin: Tensor | None = None, block: int = BLOCK) -> Tensor:
    """[n, n] float64: the inner products of rows [n, d] as seen from `origin` [d] (default: zero)."""
    gram = torch.zeros(len(rows), len(rows), dtype=torch.float64, device=rows.device)
    block = min(block, columns_at_once(rows))
    for begin in range(0, rows.shape[1], block):
        wide = rows[:, begin : begin + block].double()
        if origin is not None:
            wide = wide - origin[begin : begin + block].double()
        gram += wide @ wide.T
    return gram


def distances_to(rows: Tensor, point: Tensor, block: int = BLOCK) -> Tensor:
    """The distance [n] float64 of each row [n, d] to a point [d]."""
    squares = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
    block = min(block, columns_at_once(rows))
    for begin in range(0, rows.shape[1], block):
        part = slice(begin, begin + block)
        squares += (rows[:, part].double() - point[part].double()).square().sum(1)
    return squares.sqrt()


def central_row(distances: Tensor) -> int:
    """The row with the least median distance, which a minority cannot place elsewhere. From inner products seen from here
    the honest rows' geometry can be read whatever the others send."""
    return int(distances.sort(dim=1).values[:, len(distances) // 2].argmin())


def seen_from_centre(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Inner products [n, n] of rows [n, d] as seen from the most central one, and the squared distances to it [n]."""
    gram = inner_products(rows, rows[central_row(squared_distances(rows))])
    return gram, gram.diagonal()
