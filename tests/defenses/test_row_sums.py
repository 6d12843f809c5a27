"""What is summed over rows in native code, against torch in double precision, and when it is left to torch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from fflbench import extension
from fflbench.defenses.aggregation.meamed import mean_near_median
from fflbench.defenses.aggregation.row_sums import distances_to, lengths, mean_of, products_with, sign_sums, summed
from tests.defenses.flavours import only

needs_native = pytest.mark.skipif(not extension.FLAVOURS, reason="the native code was not built")


@pytest.fixture
def one_thread() -> Iterator[None]:
    """On several torch adds in another order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def lying_apart(n: int, d: int, seed: int) -> Tensor:
    """Rows [n, d] out of a wider matrix: neither the first entry nor a row is where a register likes it."""
    return torch.randn(n + 2, d + 5, generator=torch.Generator().manual_seed(seed))[1 : n + 1, 3 : d + 3]


@needs_native
@settings(deadline=None, max_examples=60)
@given(n=st.integers(1, 60), d=st.integers(1, 9000), seed=st.integers(0, 999))
def test_lengths_distances_and_products_keep_double_precision(n: int, d: int, seed: int) -> None:
    rows, point = lying_apart(n, d, seed) * 1e3, torch.randn(d, generator=torch.Generator().manual_seed(seed + 1))
    wide, there = rows.double(), point.double()
    expected = wide.norm(dim=1), (wide - there).norm(dim=1), wide @ there
    extension.use_inexact(True)
    for flavour in extension.FLAVOURS:
        with only(flavour):
            found = lengths(rows), distances_to(rows, point), products_with(rows, point)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12 * float(wide.abs().max()) * d)


@needs_native
def test_instruction_sets_add_in_the_same_order() -> None:
    """Squares of single-precision numbers are exact, so a fused step rounds as two do."""
    rows = lying_apart(5, 7001, 0)
    sums = [extension.native.summed(rows.numpy(), None, products=False, flavour=name) for name in extension.FLAVOURS]
    for one in sums[1:]:
        assert np.array_equal(one, sums[0])


@needs_native
def test_what_overflows_in_single_precision_has_a_length() -> None:
    extension.use_inexact(True)
    assert lengths(torch.full((2, 100), 1e30)).tolist() == pytest.approx([1e31, 1e31])


def test_torch_adds_where_native_code_may_not() -> None:
    rows = lying_apart(3, 40, 1)
    assert summed(rows, None) is None
    extension.use_inexact(True)
    assert summed(rows.double(), None) is None
    assert summed(rows.T, None) is None
    torch.testing.assert_close(lengths(rows.T), rows.double().norm(dim=0))


@settings(deadline=None, max_examples=60)
@given(n=st.integers(1, 200), d=st.integers(1, 5000), seed=st.integers(0, 999))
def test_signs_are_counted_exactly(n: int, d: int, seed: int) -> None:
    rows = lying_apart(n, d, seed).round()
    for flavours in ((), *((flavour,) for flavour in extension.FLAVOURS)):
        with only(*flavours):
            assert torch.equal(sign_sums(rows), rows.sign().sum(0))


@needs_native
@pytest.mark.usefixtures("one_thread")
@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(n=st.integers(1, 600), d=st.integers(1, 3000), seed=st.integers(0, 999), data=st.data())
def test_means_are_those_of_torch_bit_for_bit(n: int, d: int, seed: int, data: st.DataObject) -> None:
    rows = lying_apart(n, d, seed)
    kept = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=40))
    for flavour in extension.FLAVOURS:
        with only(flavour):
            assert torch.equal(mean_of(rows), rows.mean(0))
            for some in (kept, list(range(n))):
                assert torch.equal(mean_of(rows, some), rows[some].mean(0))


@needs_native
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("n", [4096, 4097, 5000, 70_000])
def test_means_of_very_many_rows(n: int) -> None:
    rows = torch.randn(n, 70)
    assert torch.equal(mean_of(rows, range(n)), rows.mean(0))


def test_means_of_what_is_not_finite() -> None:
    rows = torch.zeros(20, 130)
    rows[3, 5], rows[4, 5], rows[7, 100], rows[1, 129] = torch.inf, -torch.inf, torch.inf, torch.nan
    found = mean_of(rows, range(20))
    assert found[5].isnan()
    assert found[100] == torch.inf
    assert found[129].isnan()
    assert found.nan_to_num().count_nonzero() == 1


@needs_native
@settings(deadline=None, max_examples=60)
@given(n=st.integers(1, 130), d=st.integers(1, 600), seed=st.integers(0, 999), data=st.data())
def test_the_mean_near_the_median_is_the_same_bit_for_bit(n: int, d: int, seed: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, n))
    rows = lying_apart(n, d, seed)
    rows = rows.round() if data.draw(st.booleans()) else rows
    with only():
        expected = mean_near_median(rows, count)
    for flavour in extension.FLAVOURS:
        with only(flavour):
            assert torch.equal(mean_near_median(rows, count), expected)


@pytest.mark.parametrize("flavours", [(), *((flavour,) for flavour in extension.FLAVOURS)])
def test_huge_and_missing_numbers_near_the_median(flavours: tuple[str, ...]) -> None:
    rows = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 3e38], [3.0, -3e38], [3e38, torch.nan]])
    with only(*flavours):
        found = mean_near_median(rows, 3)
    assert found[0].item() == pytest.approx(2.0)
    assert found[1].isnan()
