"""Moving coordinates from one update to another. Values are moved and never computed with, so their sum is conserved bit for
bit. In native code where that is here, which comes to the same."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fflbench import extension
from fflbench.defenses.ffl.agreement import Mask, exchange_mask, threshold
from fflbench.defenses.keys import words

Floats = NDArray[np.float32]


def exchange_in_place(first: Tensor, second: Tensor, exchange: float, seed: bytes) -> int:
    """Two vectors [d] swap the coordinates of `exchange_mask(d, exchange, seed)`; returns how many."""
    moved = _natively(first, second, exchange, seed)
    if moved is not None:
        return moved
    mask = exchange_mask(len(first), exchange, seed).to(first.device)
    kept = torch.where(mask, second, first)
    second.copy_(torch.where(mask, first, second))
    first.copy_(kept)
    return int(mask.count_nonzero())


def _natively(first: Tensor, second: Tensor, exchange: float, seed: bytes) -> int | None:
    """None where native code cannot: it is not here, another device, type or step between neighbours; or the stream would
    move all or nothing, and another mask is drawn."""
    if not extension.FLAVOURS or not all(_plain(row) for row in (first, second)):
        return None
    one, other, limit = first.numpy(), second.numpy(), int(threshold(exchange))
    if extension.CIPHERS:
        moved = extension.native.exchange(one, other, seed, limit, extension.CIPHERS[0])
    else:
        moved = sum(
            extension.native.swap(one[place], other[place], drawn, limit, extension.FLAVOURS[0])
            for place, drawn in words(len(one), seed)
        )
    if moved == len(one):
        _swap_whole(first, second)
    return moved if 0 < moved < len(one) else None


def _plain(row: Tensor) -> bool:
    return row.device.type == "cpu" and row.dtype == torch.float32 and row.is_contiguous()


def _swap_whole(first: Tensor, second: Tensor) -> None:
    kept = first.clone()
    first.copy_(second)
    second.copy_(kept)


def take(row: Floats, mask: Mask, to: Floats) -> None:
    """Put the coordinates of a row [d] that the mask picks into `to`, side by side."""
    if extension.FLAVOURS and row.flags.c_contiguous:
        extension.native.pack(row.view(np.uint32), mask.bits, to.view(np.uint32), extension.FLAVOURS[0])
    else:
        row.take(np.flatnonzero(mask.flags()), out=to)


def put(values: Floats, mask: Mask, row: Floats) -> None:
    """Put `values` into a row [d], one for each coordinate that the mask picks."""
    if extension.FLAVOURS and row.flags.c_contiguous:
        extension.native.unpack(row.view(np.uint32), mask.bits, values.view(np.uint32), extension.FLAVOURS[0])
    else:
        row[np.flatnonzero(mask.flags())] = values
