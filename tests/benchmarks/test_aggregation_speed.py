"""The server's rules beside the ways that other codebases take, in one run: read the ratios within a group.

`make bench`; nothing here asserts a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fflbench import extension
from fflbench.contracts import Round, Upload
from fflbench.defenses.aggregation.bulyan import Bulyan
from fflbench.defenses.aggregation.distances import squared_distances
from fflbench.defenses.aggregation.geometric_median import GeometricMedian
from fflbench.defenses.aggregation.median import coordinate_median
from fflbench.defenses.aggregation.sorting import mean_of_ranks
from tests.benchmarks.ways import compared

SIZES = [(20, 100_000), (20, 1_000_000), (50, 1_000_000), (100, 1_000_000), (1000, 100_000)]


@pytest.fixture(params=["native", "torch"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Our code with and without the native part."""
    if request.param == "torch":
        monkeypatch.setattr(extension, "FLAVOURS", ())
    elif not extension.FLAVOURS:
        pytest.skip("the native code was not built")
    extension.use_inexact(True)
    return str(request.param)


def rows_of(n: int, d: int) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(0))


def group(benchmark: Any, rule: str, n: int, d: int, way: str) -> None:
    compared(benchmark, f"{rule}, {n:,} uploads of {d:,}", way)


@pytest.mark.parametrize(("n", "d"), SIZES)
class TestMedian:
    def test_ours(self, benchmark: Any, engine: str, n: int, d: int) -> None:
        group(benchmark, "median", n, d, engine)
        benchmark(coordinate_median, rows_of(n, d))

    def test_numpy(self, benchmark: Any, n: int, d: int) -> None:
        group(benchmark, "median", n, d, "numpy.median")
        rows = rows_of(n, d).numpy()
        benchmark(lambda: np.median(rows, axis=0))

    def test_reading_alone(self, benchmark: Any, n: int, d: int) -> None:
        """What memory allows."""
        group(benchmark, "median", n, d, "reading the uploads once")
        benchmark(rows_of(n, d).sum)


@pytest.mark.parametrize(("n", "d"), SIZES)
class TestTrimmedMean:
    def test_ours(self, benchmark: Any, engine: str, n: int, d: int) -> None:
        group(benchmark, "trimmed mean", n, d, engine)
        benchmark(mean_of_ranks, rows_of(n, d), range(n // 5, n - n // 5))

    def test_sorted_by_torch(self, benchmark: Any, n: int, d: int) -> None:
        group(benchmark, "trimmed mean", n, d, "torch.sort")
        rows = rows_of(n, d)
        benchmark(lambda: rows.sort(dim=0).values[n // 5 : n - n // 5].mean(0))


@pytest.mark.parametrize(("n", "d"), SIZES[:4])
class TestDistances:
    def test_ours(self, benchmark: Any, engine: str, n: int, d: int) -> None:
        group(benchmark, "squared distances", n, d, engine)
        benchmark(squared_distances, rows_of(n, d))

    def test_cdist(self, benchmark: Any, n: int, d: int) -> None:
        group(benchmark, "squared distances", n, d, "torch.cdist")
        rows = rows_of(n, d)
        benchmark(lambda: torch.cdist(rows, rows))

    def test_pair_by_pair(self, benchmark: Any, n: int, d: int) -> None:
        group(benchmark, "squared distances", n, d, "pair by pair")
        rows = rows_of(n, d)
        benchmark(lambda: [(rows[i] - rows[j]).square().sum() for i in range(n) for j in range(i)])


@pytest.mark.parametrize(("n", "d"), [(20, 100_000), (100, 100_000)])
class TestRules:
    def test_geometric_median(self, benchmark: Any, engine: str, n: int, d: int, make_round: Callable[..., Round]) -> None:
        group(benchmark, "geometric median, 3 steps", n, d, engine)
        _aggregated(benchmark, GeometricMedian(iterations=3), rows_of(n, d), make_round)

    def test_geometric_median_plainly(self, benchmark: Any, n: int, d: int) -> None:
        group(benchmark, "geometric median, 3 steps", n, d, "row by row")
        rows = rows_of(n, d)

        def weiszfeld() -> Tensor:
            point = rows.mean(0)
            for _ in range(3):
                weights = 1 / torch.stack([(row - point).norm() for row in rows]).clamp(min=0.1)
                point = torch.stack([w * row for w, row in zip(weights, rows, strict=True)]).sum(0) / weights.sum()
            return point

        benchmark(weiszfeld)

    def test_bulyan(self, benchmark: Any, engine: str, n: int, d: int, make_round: Callable[..., Round]) -> None:
        group(benchmark, "Bulyan", n, d, engine)
        _aggregated(benchmark, Bulyan(), rows_of(n, d), make_round)

    def test_bulyan_plainly(self, benchmark: Any, n: int, d: int) -> None:
        """Krum anew, distances and all, for each upload that is chosen."""
        group(benchmark, "Bulyan", n, d, "Krum anew each time")
        rows, f = rows_of(n, d), n // 5

        def bulyan() -> Any:
            left, chosen = list(range(n)), []
            while len(chosen) < n - 2 * f:
                distances = torch.cdist(rows[left], rows[left]).square()
                nearest = distances.sort(dim=1).values[:, 1 : max(2, len(left) - f - 1)]
                chosen.append(left.pop(int(nearest.sum(1).argmin())))
            some = rows[chosen].numpy()
            nearest_values = np.argsort(np.abs(some - np.median(some, axis=0)), axis=0)[: n - 4 * f]
            return np.take_along_axis(some, nearest_values, axis=0).mean(0)

        benchmark.pedantic(bulyan, rounds=1)


def _aggregated(benchmark: Any, rule: Any, rows: Tensor, make_round: Callable[..., Round]) -> None:
    round_ = make_round(rows, tolerated=(len(rows) - 3) // 4)
    benchmark(lambda: rule.aggregate(Upload(rows, round_.peers), round_))
