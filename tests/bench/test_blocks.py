"""What is computed block by block is what would be computed in one go, to the last bit."""

from __future__ import annotations

import pytest
import torch

from fflbench.blocks import by_columns, by_rows, column_blocks, row_blocks
from fflbench.defenses.aggregation.row_sums import mean_of, scaled_mean_of


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fflbench.blocks.ENTRIES", 4096)


@pytest.mark.parametrize(("n", "d"), [(1, 1), (3, 5000), (40, 333), (1001, 131)])
def test_blocks_change_no_bit(n: int, d: int) -> None:
    rows = torch.randn(n, d, generator=torch.Generator().manual_seed(n))
    kept, factors = list(range(0, n, 2)), torch.rand(len(range(0, n, 2)))
    assert torch.equal(by_columns(rows, lambda block: block.mean(0)), rows.mean(0))
    assert torch.equal(by_rows(rows, lambda block: block.double().norm(dim=1)), rows.double().norm(dim=1))
    assert torch.equal(mean_of(rows, kept), rows[kept].mean(0))
    assert torch.equal(scaled_mean_of(rows, kept, factors), (rows[kept] * factors[:, None]).mean(0))


def test_blocks_are_small_and_cover_the_matrix() -> None:
    rows = torch.zeros(30, 5000)
    for blocks in (column_blocks(rows), row_blocks(rows)):
        assert all(block.numel() <= 5000 for block in blocks)
        for block in blocks:
            block += 1
    assert (rows == 2).all()
