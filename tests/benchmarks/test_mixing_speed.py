"""Fragment mixing beside what it replaces, in one run: read the ratios within a group. Nothing here asserts a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from fflbench.contracts import Round, Upload
from fflbench.defenses.ffl.mixing import FragmentMixing
from tests.benchmarks.ways import compared

SIZES = [(20, 1_000_000), (100, 1_000_000)]
PLAIN = "as its authors simulate it: random masks and vectors"


def masked(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """The exchange with arithmetic, on copies: coordinates are picked by a factor of 0 or 1 that comes from a normal draw,
    which is made twice there, and each direction is hidden by a normal vector that is added and taken off."""
    first, second = first.clone(), second.clone()
    drawn, hiding, other = (torch.randn_like(first) for _ in range(3))
    drawn = torch.randn_like(first)
    mask = (drawn >= 0.5) + 0
    to_second, to_first = first * mask + hiding, second * mask + other
    return first * (1 - mask) + to_first - other, second * (1 - mask) + to_second - hiding


@pytest.mark.parametrize(("n", "d"), SIZES)
class TestMixing:
    @pytest.mark.parametrize("encrypted", [False, True], ids=["simulated", "encrypted"])
    def test_ours(self, benchmark: Any, make_round: Callable[..., Round], n: int, d: int, encrypted: bool) -> None:
        compared(benchmark, f"mixing{', encrypted' * encrypted}, {n} peers of {d:,}", "ours")
        rows = torch.randn(n, d)
        round_, stage = make_round(rows), FragmentMixing(encrypted=encrypted)
        shared = benchmark.pedantic(lambda: stage.share(Upload(rows, tuple(range(n))), round_), rounds=3, warmup_rounds=1)
        assert len(shared.pairs) == n // 2

    @pytest.mark.parametrize("beside", ["mixing", "mixing, encrypted"])
    def test_plainly(self, benchmark: Any, n: int, d: int, beside: str) -> None:
        compared(benchmark, f"{beside}, {n} peers of {d:,}", PLAIN)
        rows = torch.randn(n, d)
        benchmark.pedantic(lambda: [masked(rows[i], rows[i + 1]) for i in range(0, n, 2)], rounds=3, warmup_rounds=1)
