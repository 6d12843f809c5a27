"""Sorts few rows in millions of columns: a sorting network of whole-row minima and maxima, block by block."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
import torch
from torch import Tensor

from fflbench.blocks import columns_at_once

MOST = 128
"""Above this many rows a library's sort is as fast."""


def sorted_columns(rows: Tensor, ranks: Iterable[int] | None = None, block: int = 1 << 15) -> Tensor:
    """Rows [n, d] sorted in every column; with `ranks` only the rows at these places [len(ranks), d]."""
    n = len(rows)
    wanted = tuple(range(n)) if ranks is None else tuple(ranks)
    found = rows.new_empty(len(wanted), rows.shape[1])
    if n > MOST or rows.is_cuda:
        size = columns_at_once(rows)
        for begin in range(0, rows.shape[1], size):
            found[:, begin : begin + size] = _sorted(rows[:, begin : begin + size])[list(wanted)]
        return found
    block = min(block, columns_at_once(rows))
    for begin in range(0, rows.shape[1], block):
        part = slice(begin, begin + block)
        lines = list(rows[:, part].clone(memory_format=torch.contiguous_format))
        spare = torch.empty_like(lines[0])
        for i, j in comparators(n, wanted):
            torch.minimum(lines[i], lines[j], out=spare)
            torch.maximum(lines[i], lines[j], out=lines[j])
            lines[i], spare = spare, lines[i]
        for place, rank in enumerate(wanted):
            found[place, part] = lines[rank]
    return found


def _sorted(rows: Tensor) -> Tensor:
    """All of rows [n, d] sorted in every column. On the CPU by numpy, whose sort of many short lists is ten times faster."""
    if rows.is_cuda:
        return rows.sort(dim=0).values
    lines = np.array(rows.T.numpy(), order="C")
    lines.sort(axis=1)
    return torch.from_numpy(lines).T


@cache
def comparators(n: int, wanted: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Which rows to compare, in turn: Batcher's merge exchange (Knuth, The Art of Computer Programming 3, 5.2.2 M) without
    the comparisons that no wanted rank depends on."""
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
        if i in needed or j in needed:
            needed |= {i, j}
            kept.append((i, j))
    return tuple(reversed(kept))
