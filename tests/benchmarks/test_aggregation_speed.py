"""Every rule of the server beside the way in which it is usually written, in one run: read the ratios within a group.

`make bench`; nothing here asserts a time.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from fflbench import extension
from fflbench.contracts import Aggregator, PreAggregator, Round, Upload
from fflbench.defenses.aggregation.distances import squared_distances
from fflbench.registry import load, plugins
from tests.benchmarks.usual import USUAL
from tests.benchmarks.ways import compared, ruled

SIZES = [size for size in product((20, 50, 100, 1000), (100_000, 1_000_000)) if size != (1000, 1_000_000)]
"""Uploads and parameters: up to 400 MB."""

MakeRound = Callable[..., Round]

READING = "reading the uploads once"
RULES = [name for name in sorted(plugins("defenses")) if isinstance(load("defenses", name), type)
         and issubclass(load("defenses", name), Aggregator | PreAggregator)]  # fmt: skip

MOST = {"mda": 20, "smea": 20, "repeated-median": 50, "residual-reweighting": 50, "caf": 100}
"""Up to how many uploads a rule is measured whose time grows faster than with their square."""

MOST_ENTRIES = {"repeated-median": 20_000_000, "residual-reweighting": 5_000_000}
"""Up to how many numbers."""

MOST_USUAL = {"bulyan": 50, "flame": 100, "foolsgold": 100, "nnm": 100}
"""Up to how many uploads the usual way is: minutes beyond."""


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


def measured(benchmark: Any, work: Callable[[Tensor], object], rows: Tensor) -> None:
    """Each time on fresh rows, for parts that change them; large ones a few times, because they hardly vary."""
    small = rows.numel() <= 20_000_000
    fresh = rows.clone()

    def again() -> tuple[tuple[Tensor], dict[str, object]]:
        return (fresh.copy_(rows),), {}

    benchmark.pedantic(work, setup=again, rounds=5 if small else 2, warmup_rounds=1)


@pytest.mark.parametrize(("n", "d"), SIZES)
class TestRules:
    @pytest.mark.parametrize("rule", RULES)
    def test_ours(self, benchmark: Any, engine: str, rule: str, n: int, d: int, make_round: MakeRound) -> None:
        _skip_what_takes_long(rule, n, d, MOST)
        ruled(benchmark, rule, n, d, engine)
        rows, part = rows_of(n, d), load("defenses", rule)()
        round_, step = _round(make_round, rows), part.aggregate if isinstance(part, Aggregator) else part.transform
        measured(benchmark, lambda fresh: step(Upload(fresh, round_.peers), round_), rows)

    @pytest.mark.parametrize("rule", USUAL)
    def test_as_usual(self, benchmark: Any, rule: str, n: int, d: int, make_round: MakeRound) -> None:
        _skip_what_takes_long(rule, n, d, MOST | MOST_USUAL)
        ruled(benchmark, rule, n, d, "usual")
        rows = rows_of(n, d)
        round_, updates = _round(make_round, rows), list(rows)
        benchmark.pedantic(lambda: USUAL[rule](updates, round_), rounds=3 if rows.numel() <= 20_000_000 else 1)

    def test_reading_alone(self, benchmark: Any, n: int, d: int) -> None:
        """What memory allows."""
        ruled(benchmark, READING, n, d, "native")
        measured(benchmark, Tensor.sum, rows_of(n, d))


@pytest.mark.parametrize(("n", "d"), [size for size in SIZES if size[0] < 1000])
class TestDistances:
    def test_ours(self, benchmark: Any, engine: str, n: int, d: int) -> None:
        compared(benchmark, f"squared distances, {n:,} uploads of {d:,}", engine)
        benchmark(squared_distances, rows_of(n, d))

    def test_cdist(self, benchmark: Any, n: int, d: int) -> None:
        compared(benchmark, f"squared distances, {n:,} uploads of {d:,}", "torch.cdist")
        rows = rows_of(n, d)
        benchmark(lambda: torch.cdist(rows, rows))

    def test_pair_by_pair(self, benchmark: Any, n: int, d: int) -> None:
        compared(benchmark, f"squared distances, {n:,} uploads of {d:,}", "pair by pair")
        rows = rows_of(n, d)
        benchmark(lambda: [(rows[i] - rows[j]).square().sum() for i in range(n) for j in range(i)])


def _skip_what_takes_long(rule: str, n: int, d: int, most: dict[str, int]) -> None:
    if n > most.get(rule, n) or n * d > MOST_ENTRIES.get(rule, n * d):
        pytest.skip("takes minutes")


def _round(make_round: MakeRound, rows: Tensor) -> Round:
    round_ = make_round(rows, tolerated=(len(rows) - 3) // 4, last_layer=501)
    own = torch.full((rows.shape[1],), 0.01)
    round_.root_update = lambda: own
    return round_
