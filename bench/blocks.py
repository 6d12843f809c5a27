"""Work on a large matrix of updates block by block, so that what is computed beside it stays small."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

ENTRIES = 1 << 21
"""About how many entries of the matrix a block has."""

WIDE, LEAST_WIDE = 1 << 18, 1 << 10
"""About how many numbers in double precision a CPU keeps at hand, and the fewest columns that are worth a step."""

Rule = Callable[[Tensor], Tensor]


def columns_at_once(rows: Tensor) -> int:
    """How many columns of rows [n, d] make a block: a power of two, so that torch sums a column in the same order as it
    would in the whole matrix, bit for bit."""
    return _power_of_two(ENTRIES // max(1, len(rows)), least=64)


def _power_of_two(most: int, least: int) -> int:
    """The largest up to `most`, and no less than `least`."""
    return max(least, 1 << max(0, most.bit_length() - 1))


def column_blocks(rows: Tensor) -> Sequence[Tensor]:
    """Rows [n, d] as views [n, k] of neighbouring columns."""
    return torch.split(rows, columns_at_once(rows), dim=1)


def wide_columns(rows: Tensor, block: int | None = None) -> Iterator[tuple[slice, Tensor]]:
    """Neighbouring columns of rows [n, d], where they are and a copy in double precision, `block` at a time; by default as
    many as a CPU keeps at hand."""
    if block is None:
        on_cpu = rows.device.type == "cpu"
        block = _power_of_two(WIDE // max(1, len(rows)), LEAST_WIDE) if on_cpu else columns_at_once(rows)
    for begin in range(0, rows.shape[1], block):
        part = slice(begin, begin + block)
        yield part, rows[:, part].to(torch.float64, copy=True)


def row_blocks(rows: Tensor) -> Sequence[Tensor]:
    """Rows [n, d] as views [k, d]."""
    return torch.split(rows, max(1, ENTRIES // max(1, rows.shape[1])))


def by_columns(rows: Tensor, rule: Rule) -> Tensor:
    """What a rule [n, k] -> [k] that looks at each column by itself makes of rows [n, d]."""
    return _one_by_one(column_blocks(rows), rule, rows.shape[1])


def by_rows(rows: Tensor, rule: Rule) -> Tensor:
    """What a rule [k, d] -> [k] that looks at each row by itself makes of rows [n, d]."""
    return _one_by_one(row_blocks(rows), rule, len(rows))


def _one_by_one(blocks: Sequence[Tensor], rule: Rule, size: int) -> Tensor:
    """The results in one vector from the start: small ones kept between large blocks would leave the heap full of holes."""
    found, begin = None, 0
    for block in blocks:
        result = rule(block)
        if found is None:
            found = result.new_empty(size)
        found[begin : begin + len(result)] = result
        begin += len(result)
    assert found is not None
    return found
