"""What is summed over rows: lengths, products, signs, means. In native code where that is here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from fflbench import extension
from fflbench.blocks import by_columns, by_rows, columns_at_once, wide_columns
from fflbench.defenses.aggregation.native_rows import as_native

ALIKE = 64
"""In as many columns side by side torch adds up every column in the same order; in what is left over behind them in another,
which native code leaves to it."""

SMALL = 1 << 20
"""So many numbers stay in a cache, where torch's order of reading them costs nothing."""


def lengths(rows: Tensor) -> Tensor:
    """The L2 norm [n] of rows [n, d], in double precision: squares of large entries overflow in single."""
    if (found := summed(rows, None)) is not None:
        return found.sqrt()
    return by_rows(rows, lambda block: torch.linalg.vector_norm(block, dim=1, dtype=torch.float64))


def distances_to(rows: Tensor, point: Tensor, block: int | None = None) -> Tensor:
    """The distance [n] float64 of each row [n, d] to a point [d]."""
    if (found := summed(rows, point)) is not None:
        return found.sqrt()
    return _added(rows, lambda wide, part: wide.sub_(point[part].double()).square_().sum(1), block).sqrt()


def products_with(rows: Tensor, point: Tensor) -> Tensor:
    """The product [n] float64 of each row [n, d] with a point [d]."""
    if (found := summed(rows, point, products=True)) is not None:
        return found
    return _added(rows, lambda wide, part: wide @ point[part].double())


def _added(rows: Tensor, found: Callable[[Tensor, slice], Tensor], block: int | None = None) -> Tensor:
    """The sum [n] of what is found for every row in some columns at a time, in double precision."""
    sums = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
    for part, wide in wide_columns(rows, block):
        sums += found(wide, part)
    return sums


def summed(rows: Tensor, point: Tensor | None, *, products: bool = False) -> Tensor | None:
    """The squared distance [n] float64 of each of rows [n, d] to a point [d], or its product with it; without one its
    squared length. None where native code cannot, or is not to be used because it adds in another order than torch."""
    flavour, values = extension.inexact(), as_native(rows)
    if flavour is None or values is None:
        return None
    place = None if point is None else point.detach().float().contiguous().numpy()
    return torch.from_numpy(extension.native.summed(values, place, products=products, flavour=flavour))


def sign_sums(rows: Tensor) -> Tensor:
    """How many values are positive in every column of rows [n, d], less how many are negative [d]."""
    values = as_native(rows)
    if not extension.FLAVOURS or values is None:
        return by_columns(rows, lambda block: block.sign().sum(0))
    found = rows.new_empty(rows.shape[1])
    extension.native.votes(values, found.numpy(), extension.FLAVOURS[0])
    return found


def mean_of(rows: Tensor, kept: Tensor | Sequence[int] | None = None) -> Tensor:
    """The mean [d] of rows [n, d] or of the `kept` ones; to the last bit what torch comes to on one thread."""
    if kept is None:
        if rows.numel() < SMALL or not extension.FLAVOURS or as_native(rows) is None:
            return rows.mean(0)
        kept = range(len(rows))
    return means_of(rows, torch.as_tensor(kept, dtype=torch.long)[None])[0]


def scaled_mean_of(rows: Tensor, kept: Sequence[int], factors: Tensor) -> Tensor:
    """The mean [d] of the `kept` of rows [n, d], each times its factor [k]."""
    index, factors = torch.as_tensor(kept, dtype=torch.long, device=rows.device), factors.to(rows.dtype)[:, None]
    return by_columns(rows, lambda block: (block[index] * factors).mean(0))


def means_of(rows: Tensor, sets: Tensor) -> Tensor:
    """The means [s, d] of some `sets` [s, k] of rows [n, d], to the last bit what torch comes to on one thread."""
    values, whole = as_native(rows), rows.shape[1] // ALIKE * ALIKE
    means = rows.new_empty(len(sets), rows.shape[1])
    if not extension.FLAVOURS or values is None or not whole or not sets.numel():
        _means_in_torch(rows, sets.to(rows.device), means)
        return means
    extension.native.means(values[:, :whole], sets.numpy(), means[:, :whole].numpy(), extension.FLAVOURS[0])
    if whole < rows.shape[1]:
        means[:, whole:] = rows[:, whole - ALIKE :][sets].mean(1)[:, ALIKE:]
    return means


def _means_in_torch(rows: Tensor, sets: Tensor, means: Tensor) -> None:
    """So many sets at once as take no more memory than a block of the rows."""
    columns, several = columns_at_once(rows), max(1, len(rows) // max(1, sets.shape[1]))
    for block, found in zip(torch.split(rows, columns, dim=1), torch.split(means, columns, dim=1), strict=True):
        for some, few in zip(torch.split(sets, several), torch.split(found, several), strict=True):
            few.copy_(block[some].mean(1))
