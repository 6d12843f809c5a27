"""What is summed over rows: lengths, products, signs, means. In native code where that is here."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fflbench import extension
from fflbench.blocks import by_columns
from fflbench.defenses.aggregation.native_rows import as_native

ALIKE = 64
"""In as many columns side by side torch adds up every column in the same order; in what is left over behind them in another,
which native code leaves to it."""

SMALL = 1 << 20
"""So many numbers stay in a cache, where torch's order of reading them costs nothing."""


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


def mean_of(rows: Tensor, kept: Tensor | Sequence[int] | None = None, factors: Tensor | None = None) -> Tensor:
    """The mean [d] of rows [n, d] or of the `kept` ones, row i of them times `factors[i]` where these are given; to the last
    bit what torch comes to on one thread."""
    if kept is None and factors is None and rows.numel() < SMALL:
        return rows.mean(0)
    index = torch.arange(len(rows)) if kept is None else torch.as_tensor(kept, dtype=torch.long).cpu()
    if factors is not None:
        return by_columns(rows, lambda block: (block[index.to(rows.device)] * factors[:, None]).mean(0))
    if extension.FLAVOURS and as_native(rows) is not None and rows.shape[1] >= ALIKE:
        return means_of(rows, index[None])[0]
    return by_columns(rows, lambda block: (block if kept is None else block[index.to(rows.device)]).mean(0))


def means_of(rows: Tensor, sets: Tensor) -> Tensor:
    """The means [s, d] of some `sets` [s, k] of rows [n, d], to the last bit what torch comes to on one thread."""
    values, whole = as_native(rows), rows.shape[1] // ALIKE * ALIKE
    if not extension.FLAVOURS or values is None or not whole or not sets.numel():
        every = [rows[chosen.to(rows.device)].mean(0) for chosen in sets]
        return torch.stack(every) if every else rows[:0]
    means = rows.new_empty(len(sets), rows.shape[1])
    extension.native.means(values[:, :whole], sets.numpy(), means[:, :whole].numpy(), extension.FLAVOURS[0])
    for mean, chosen in zip(means[:, whole:], sets, strict=True):
        mean.copy_(rows[chosen, whole - ALIKE :].mean(0)[ALIKE:])
    return means
