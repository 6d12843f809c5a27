"""Inner products in native code against double precision, and when they are left to torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from fflbench import extension
from fflbench.contracts import Upload
from fflbench.defenses.aggregation.distances import inner_products, squared_distances
from fflbench.execution import Execution
from fflbench.registry import load

pytestmark = pytest.mark.skipif(not extension.FLAVOURS, reason="the native code was not built")


@pytest.fixture(autouse=True)
def natively() -> None:
    extension.use_inexact(True)


GENERATOR = torch.Generator().manual_seed(0)


def normal(n: int, d: int) -> Tensor:
    return torch.randn(n, d, generator=GENERATOR)


def exact(rows: Tensor) -> Tensor:
    """The squared distances [n, n] by their definition."""
    wide = rows.double()
    return torch.stack([(wide - row).square().sum(1) for row in wide])


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    n=st.integers(1, 40),
    d=st.integers(1, 1200),
    seed=st.integers(0, 999),
    flavour=st.sampled_from(extension.FLAVOURS or ("",)),
)
def test_products_from_the_mean_and_from_anywhere(n: int, d: int, seed: int, flavour: str) -> None:
    generator = np.random.default_rng(seed)
    whole = generator.normal(size=(n + 3, d + 5)).astype(np.float32)
    rows, origin = whole[1 : n + 1, 2 : d + 2], whole[0, :d].copy()
    for start, wide in ((None, rows - rows.mean(0, dtype=np.float64)), (origin, rows - origin.astype(np.float64))):
        found = extension.native.gram(rows, start, flavour)
        assert np.array_equal(found, found.T)
        size = max(1e-9, np.abs((wide**2).sum(1)).max())
        assert np.abs(found - wide @ wide.T).max() <= 2e-6 * size


def test_instruction_sets_with_fused_steps_agree() -> None:
    rows = normal(13, 5000).numpy()
    fused = [extension.native.gram(rows, None, flavour) for flavour in extension.FLAVOURS if flavour != "baseline"]
    assert all(np.array_equal(fused[0], other) for other in fused)


@pytest.mark.parametrize(
    "rows",
    [
        normal(9, 700) * 0.01 + 50,
        torch.cat([normal(9, 700), 1e6 + normal(2, 700)]),
        torch.cat([normal(9, 700), torch.full((3, 700), 2.0)]),
        torch.cat([normal(6, 700), normal(4, 700) * 1e-4 + 3]),
        torch.cat([normal(6, 700), torch.full((1, 700), 1e25)]),
        normal(8, 700) * 1e-22,
        torch.ones(5, 700),
        normal(1, 700),
    ],
    ids=["common part", "far away", "the same thrice", "a cluster", "overflow", "tiny", "all the same", "alone"],
)
def test_distances_of_rows_that_are_hard(rows: Tensor) -> None:
    found, wanted = squared_distances(rows), exact(rows)
    torch.testing.assert_close(found, wanted, rtol=2e-4, atol=0)
    assert bool((found.diagonal() == 0).all())
    same = wanted == 0
    assert bool((found[same] == 0).all())


def test_torch_does_what_numbers_are_too_large_or_too_small_for() -> None:
    extension.use_inexact(False)
    cases = [normal(8, 300) * 1e-22, normal(8, 300).double(), normal(300, 8).T]
    expected = [squared_distances(rows) for rows in cases]
    extension.use_inexact(True)
    for rows, wanted in zip(cases, expected, strict=True):
        assert torch.equal(squared_distances(rows), wanted)
    assert bool(torch.isfinite(squared_distances(torch.cat([normal(3, 50), torch.full((1, 50), 1e30)]))).all())


@pytest.mark.parametrize("name", ["krum", "multi-krum", "bulyan", "geometric-median", "caf", "dnc", "flame", "mda", "smea"])
def test_rules_come_to_the_same(name: str, make_round: Callable[..., object]) -> None:
    rows = torch.cat([normal(11, 2000), normal(2, 2000) + 3])
    results = []
    for native in (False, True):
        extension.use_inexact(native)
        round_ = make_round(rows, tolerated=2, last_layer=50)
        results.append(load("defenses", name)().aggregate(Upload(rows, round_.peers), round_).vector)
    torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-6)


def test_a_cell_that_torch_computes_uses_torch() -> None:
    """So that its record says who computed it."""
    rows = normal(6, 3000)
    for engine, native in (("torch", False), ("native", True), ("auto", False)):
        Execution(engine=engine).prepare()  # type: ignore[arg-type]
        assert (extension.inexact() is not None) == native
    extension.use_inexact(False)
    plain = inner_products(rows, rows[0])
    Execution(engine="torch").prepare()
    assert torch.equal(inner_products(rows, rows[0]), plain)


@pytest.mark.parametrize(
    ("rows", "origin", "why"),
    [
        (np.zeros(3, np.float32), None, r"rows: need \[n, d\]"),
        (np.zeros((2, 4), np.float32), np.zeros(3, np.float32), "origin: need as many entries as a row has"),
        (np.zeros((4, 2), np.float32).T, None, "side by side"),
    ],
)
def test_the_door_is_watched(rows: object, origin: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        extension.native.gram(rows, origin, "baseline")  # type: ignore[arg-type]
