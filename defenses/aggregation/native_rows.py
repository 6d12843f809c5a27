"""Rows as native code takes them, and what it sums over them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fflbench import extension
from fflbench.blocks import by_columns


def as_native(rows: Tensor) -> NDArray[np.float32] | None:
    """The memory of rows [n, d], or None where native code cannot work on it: another device or type, nothing in it, entries
    of a row that lie apart."""
    usable = rows.device.type == "cpu" and rows.dtype == torch.float32 and rows.numel() and rows.stride(1) == 1
    return rows.detach().numpy() if usable else None


def summed(rows: Tensor, point: Tensor | None, *, products: bool = False) -> Tensor | None:
    """The squared distance [n] float64 of each of rows [n, d] to a point [d], or its product with it; without one to the
    origin. None where native code cannot, or is not to be used because it adds in another order than torch."""
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
