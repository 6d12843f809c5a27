"""Distances and inner products of rows, exact even when rows share a large common part or one lies far away."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from fflbench import extension
from fflbench.blocks import wide_columns
from fflbench.defenses.aggregation.native_rows import as_native

_CANCELLED, _CANCELLED_NATIVE = 1e-9, 1e-3
"""Below this share of the norms, a distance from inner products has lost its digits."""

_ABREAST = 64
"""Rows that are multiplied with all before them at once."""

_TINY = 1e-24
"""Squares below this leave the range of single precision."""


def squared_distances(rows: Tensor, block: int | None = None) -> Tensor:
    """[n, n] float64 from rows [n, d]: inner products of centred rows, block by block; rows that are much closer to each
    other than to the centre are measured again from their own."""
    gram, cancelled = _native(rows), _CANCELLED_NATIVE
    if gram is None:
        gram, cancelled = _about_the_mean(rows, block), _CANCELLED
    norms = gram.diagonal()
    sums = norms[:, None] + norms[None]
    distances = (sums - 2 * gram).clamp_(min=0).fill_diagonal_(0)
    close = (distances <= cancelled * sums).fill_diagonal_(False)
    if not bool(close.any()):
        return distances
    count, label = connected_components(close.cpu().numpy(), directed=False)
    for group in (np.flatnonzero(label == one) for one in range(count)):
        if len(group) == len(rows):
            return _one_by_one(rows, distances, close)
        if len(group) > 1:
            index = torch.from_numpy(group).to(rows.device)
            distances[index[:, None], index] = squared_distances(rows[index], block)
    return distances


def _about_the_mean(rows: Tensor, block: int | None) -> Tensor:
    """Inner products [n, n] of rows [n, d] seen from their mean."""
    return _products(rows, block, lambda wide, part: wide.sub_(wide.mean(0)))


def _products(rows: Tensor, block: int | None, seen: Callable[[Tensor, slice], Tensor]) -> Tensor:
    """Inner products [n, n] of what `seen(columns, where they are)` makes of the rows. The product that two rows have with
    each other is one number, though a matrix product may round its two places apart: Bulyan tells ties by it."""
    gram = torch.zeros(len(rows), len(rows), dtype=torch.float64, device=rows.device)
    for part, copied in wide_columns(rows, block):
        wide = seen(copied, part)
        for first in range(0, len(rows), _ABREAST):
            last = first + _ABREAST
            gram[first:last, :last] += wide[first:last] @ wide[:last].T
    return gram.tril() + gram.tril(-1).T


def _native(rows: Tensor, origin: Tensor | None = None) -> Tensor | None:
    """The same, or as seen from `origin` [d], in native code and mostly single precision: None where that is not to be used,
    or numbers are too large or too small for it."""
    flavour, values = extension.inexact(), as_native(rows)
    if flavour is None or values is None:
        return None
    seen = None if origin is None else origin.float().contiguous().numpy()
    gram = torch.from_numpy(extension.native.gram(values, seen, flavour))
    good = bool(torch.isfinite(gram).all()) and float(gram.diagonal().max()) > _TINY * rows.shape[1]
    return gram if good else None


def _one_by_one(rows: Tensor, distances: Tensor, pairs: Tensor) -> Tensor:
    """The distances with these `pairs` [n, n] measured without inner products."""
    for i, j in pairs.triu(1).nonzero().tolist():
        distances[i, j] = distances[j, i] = _apart(rows[i], rows[j])
    return distances


def _apart(first: Tensor, second: Tensor) -> float:
    """The squared distance of two rows [d], often the same one sent by two attackers."""
    return 0.0 if torch.equal(first, second) else float((first.double() - second.double()).square().sum())


def inner_products(rows: Tensor, origin: Tensor | None = None, block: int | None = None) -> Tensor:
    """[n, n] float64: the inner products of rows [n, d] as seen from `origin` [d] (default: zero)."""
    if origin is not None and (found := _native(rows, origin)) is not None:
        return found

    def seen(wide: Tensor, part: slice) -> Tensor:
        return wide if origin is None else wide.sub_(origin[part].double())

    return _products(rows, block, seen)


def central_row(distances: Tensor) -> int:
    """The row with the least median distance, which a minority cannot place elsewhere. From inner products seen from here
    the honest rows' geometry can be read whatever the others send."""
    return int(distances.sort(dim=1).values[:, len(distances) // 2].argmin())


def seen_from_centre(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Inner products [n, n] of rows [n, d] as seen from the most central one, and the squared distances to it [n]. Between
    three points distances say everything: what two see of each other from the third is half of what they lie farther from it
    than from each other."""
    distances = squared_distances(rows)
    away = distances[central_row(distances)]
    return (away[:, None] + away[None] - distances) / 2, away
