"""The values at some ranks of every column, of few rows in millions of columns: a sorting network of whole-row minima and
maxima, block by block; of many rows, the middle by counting. In native code where that is here; all come to the same, bit
for bit."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fflbench import extension
from fflbench.blocks import columns_at_once
from fflbench.defenses.aggregation.native_rows import as_native

MOST = 128
"""Above this many rows a library's sort is as fast as a network of torch's minima and maxima."""

MOST_NATIVE = 1024
"""Above this many rows it is as fast as a native network."""

FEWEST_COUNTED = 129
"""From this many rows on one rank, or two neighbours, are found faster by counting what lies below a guess."""


def sorted_columns(rows: Tensor, ranks: Iterable[int] | None = None, block: int = 1 << 15) -> Tensor:
    """Rows [n, d] sorted in every column; with `ranks` only the rows at these places [len(ranks), d]."""
    wanted = tuple(range(len(rows))) if ranks is None else tuple(ranks)
    found = rows.new_empty(len(wanted), rows.shape[1])
    if not _natively(rows, wanted, found, mean=False):
        _in_torch(rows, wanted, found, block)
    return found


def mean_of_ranks(rows: Tensor, ranks: Iterable[int]) -> Tensor:
    """The mean [d] of what lies at these ranks in every column of rows [n, d], added up in their order."""
    wanted = tuple(ranks)
    mean = rows.new_empty(rows.shape[1])
    if _natively(rows, wanted, mean, mean=True):
        return mean
    size = columns_at_once(rows)
    for begin in range(0, rows.shape[1], size):
        first, *others = sorted_columns(rows[:, begin : begin + size], wanted)
        for other in others:
            first += other
        mean[begin : begin + size] = first / len(wanted)
    return mean


def _natively(rows: Tensor, wanted: tuple[int, ...], found: Tensor, mean: bool) -> bool:
    """Fill `found` with the rows at these ranks or their mean. False where native code cannot: it is not here, another
    device or type, too many rows for several ranks, NaN."""
    values = as_native(rows)
    if not extension.FLAVOURS or values is None:
        return False
    flavour, middle = extension.FLAVOURS[0], tuple(range((len(rows) - 1) // 2, len(rows) // 2 + 1))
    if mean and wanted == middle and extension.native.median(values, found.numpy(), flavour):
        return True
    if len(rows) >= FEWEST_COUNTED and wanted in ((wanted[0],), (wanted[0], wanted[0] + 1)):
        return extension.native.counted(values, wanted[0], len(wanted) == 2, found.numpy(), mean, flavour)
    if len(rows) > MOST_NATIVE:
        return False
    network, ranks = network_of(len(rows), wanted)
    return extension.native.ranked(values, network, ranks, found.numpy(), mean, flavour)


@cache
def network_of(n: int, wanted: tuple[int, ...]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """A network of comparators [c, 3] as native code takes it, and the ranks."""
    return np.array(comparators(n, wanted), dtype=np.int32).reshape(-1, 3), np.array(wanted, dtype=np.int32)


def _in_torch(rows: Tensor, wanted: tuple[int, ...], found: Tensor, block: int) -> None:
    """Fill `found` with the rows at these ranks."""
    n = len(rows)
    if n > MOST or rows.is_cuda:
        size = columns_at_once(rows)
        for begin in range(0, rows.shape[1], size):
            found[:, begin : begin + size] = _sorted(rows[:, begin : begin + size])[list(wanted)]
        return
    block = min(block, columns_at_once(rows))
    for begin in range(0, rows.shape[1], block):
        part = slice(begin, begin + block)
        lines = list(rows[:, part].clone(memory_format=torch.contiguous_format))
        spare = torch.empty_like(lines[0])
        for i, j, keeps in comparators(n, wanted):
            if keeps & SMALLER:
                torch.minimum(lines[i], lines[j], out=spare)
            if keeps & LARGER:
                torch.maximum(lines[i], lines[j], out=lines[j])
            if keeps & SMALLER:
                lines[i], spare = spare, lines[i]
        for place, rank in enumerate(wanted):
            found[place, part] = lines[rank]


def _sorted(rows: Tensor) -> Tensor:
    """All of rows [n, d] sorted in every column. On the CPU by numpy, whose sort of many short lists is ten times faster."""
    if rows.is_cuda:
        return rows.sort(dim=0).values
    lines = np.array(rows.T.numpy(), order="C")
    lines.sort(axis=1)
    return torch.from_numpy(lines).T


SMALLER, LARGER = 1, 2
"""Which of two rows is looked at again."""


@cache
def comparators(n: int, wanted: tuple[int, ...]) -> tuple[tuple[int, int, int], ...]:
    """Which two rows to compare, in turn, the smaller to come first, and which of them to keep: Batcher's merge exchange
    (Knuth, The Art of Computer Programming 3, 5.2.2 M) without what no wanted rank depends on."""
    pairs = []
    top = 1 << max(0, (n - 1).bit_length() - 1)
    p = top
    while p > 0:
        q, r, d = top, 0, p
        while True:
            pairs += [(i, i + d) for i in range(n - d) if i & p == r]
            if q == p:
                break
            d, q, r = q - p, q // 2, p
        p //= 2
    needed, kept = set(wanted), []
    for i, j in reversed(pairs):
        keeps = SMALLER * (i in needed) | LARGER * (j in needed)
        if keeps:
            needed |= {i, j}
            kept.append((i, j, keeps))
    return tuple(reversed(kept))
