"""Ranks of every column: native code and torch come to the same, bit for bit, whatever the rows are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fflbench import extension
from fflbench.defenses.aggregation.median import coordinate_median
from fflbench.defenses.aggregation.sorting import FEWEST_COUNTED, comparators, mean_of_ranks, sorted_columns
from tests.defenses.flavours import only

needs_native = pytest.mark.skipif(not extension.FLAVOURS, reason="the native code was not built")


def by_sorting(rows: Tensor, ranks: list[int]) -> Tensor:
    return rows.sort(dim=0).values[ranks]


def drawn(n: int, d: int, seed: int, few_values: bool) -> Tensor:
    rows = torch.randn(n, d, generator=torch.Generator().manual_seed(seed))
    return rows.round() if few_values else rows


@settings(deadline=None, max_examples=80)
@given(n=st.integers(1, 140), d=st.integers(1, 150), seed=st.integers(0, 999), few_values=st.booleans(), data=st.data())
def test_ranks_are_those_of_a_sort(n: int, d: int, seed: int, few_values: bool, data: st.DataObject) -> None:
    rows = drawn(n, d, seed, few_values)
    ranks = sorted(data.draw(st.sets(st.integers(0, n - 1), min_size=1, max_size=5)))
    expected = by_sorting(rows, ranks)
    for flavours in ((), *((flavour,) for flavour in extension.FLAVOURS)):
        with only(*flavours):
            assert torch.equal(sorted_columns(rows, ranks), expected)
            torch.testing.assert_close(mean_of_ranks(rows, ranks), expected.mean(0), rtol=1e-5, atol=1e-6)


@needs_native
@settings(deadline=None, max_examples=60)
@given(n=st.integers(1, 120), d=st.integers(1, 3000), seed=st.integers(0, 999), data=st.data())
def test_the_mean_of_ranks_is_the_same_bit_for_bit(n: int, d: int, seed: int, data: st.DataObject) -> None:
    low = data.draw(st.integers(0, n - 1))
    ranks = range(low, data.draw(st.integers(low + 1, n)))
    rows = drawn(n, d, seed, few_values=False)
    with only():
        expected = mean_of_ranks(rows, ranks)
    for flavour in extension.FLAVOURS:
        with only(flavour):
            assert torch.equal(mean_of_ranks(rows, ranks), expected)


@pytest.mark.parametrize("flavours", [(), *((flavour,) for flavour in extension.FLAVOURS)])
def test_rows_that_lie_apart_and_infinite_ones(flavours: tuple[str, ...]) -> None:
    whole = torch.randn(9, 500)
    whole[2] = torch.inf
    whole[5, ::3] = -torch.inf
    kept = whole.clone()
    for rows in (whole[:, 100:333], whole[::2], whole[1:2], whole[:, 7:8], whole.T.contiguous().T):
        with only(*flavours):
            assert torch.equal(sorted_columns(rows), rows.sort(dim=0).values)
    assert torch.equal(whole, kept)


@pytest.mark.parametrize("place", [(0, 0), (4, 63), (8, 199), (3, 64)])
def test_a_number_that_is_none_is_left_to_torch(place: tuple[int, int]) -> None:
    rows = torch.randn(9, 200)
    rows[place] = torch.nan
    with only():
        expected = sorted_columns(rows, [4]), mean_of_ranks(rows, [3, 4, 5])
    found = sorted_columns(rows, [4]), mean_of_ranks(rows, [3, 4, 5])
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.isnan(), other.isnan())
        assert torch.equal(one.nan_to_num(), other.nan_to_num())
    assert bool(found[0].isnan().any())


def awkward(n: int, d: int, seed: int, kind: str) -> Tensor:
    rows = drawn(n, d, seed, few_values=kind == "few values")
    if kind == "far apart":
        rows[::5] *= 1e30
        rows[1::7] *= 1e-38
    elif kind == "infinite":
        rows[::3] = torch.inf
        rows[1::4] = -torch.inf
    elif kind == "alike":
        rows[1:] = rows[:1]
    elif kind == "skewed":
        rows = rows.exp().pow(9)
    return rows


KINDS = ["normal", "few values", "far apart", "infinite", "alike", "skewed"]


@needs_native
@settings(deadline=None, max_examples=120)
@given(n=st.integers(1, 400), d=st.integers(1, 90), seed=st.integers(0, 999), kind=st.sampled_from(KINDS), data=st.data())
def test_a_rank_found_by_counting_is_that_of_a_sort(n: int, d: int, seed: int, kind: str, data: st.DataObject) -> None:
    rows = awkward(n, d, seed, kind)
    rank = data.draw(st.integers(0, n - 1))
    pair = rank + 1 < n and data.draw(st.booleans())
    expected = by_sorting(rows, [rank, rank + 1] if pair else [rank])
    for flavour in extension.FLAVOURS:
        found = torch.empty(1 + pair, d)
        assert extension.native.counted(rows.numpy(), rank, pair, found.numpy(), False, flavour)
        assert torch.equal(found, expected)
        mean = torch.empty(d)
        assert extension.native.counted(rows.numpy(), rank, pair, mean.numpy(), True, flavour)
        assert torch.equal(mean.nan_to_num(), expected.mean(0).nan_to_num())


@needs_native
@pytest.mark.parametrize("n", [*range(1, 29), 41, 50, 55, 56, 57, 58, 79, 100, 111, 112, 113])
@pytest.mark.parametrize("kind", ["normal", "few values", "far apart", "alike"])
def test_the_median_of_few_is_the_same_bit_for_bit(n: int, kind: str) -> None:
    """Up to 24 in registers, up to 112 in parts, of more by a network."""
    for d in (1, 15, 16, 33, 200, 300, 530):
        rows = awkward(n, d, seed=n, kind=kind)
        with only():
            expected = coordinate_median(rows)
        for flavour in extension.FLAVOURS:
            assert extension.native.median(rows.numpy(), torch.empty(d).numpy(), flavour) == (n <= 112)
            with only(flavour):
                assert torch.equal(coordinate_median(rows), expected)
                assert torch.equal(coordinate_median(torch.cat([rows, rows], dim=1)[:, d:]), expected)


@needs_native
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("place", [(0, 0), (6, 37), (3, 16)])
@pytest.mark.parametrize("n", [7, 40, 90])
def test_what_is_not_finite_is_noticed_by_the_median_of_few(n: int, value: float, place: tuple[int, int]) -> None:
    rows = torch.randn(n, 38)
    rows[place] = value
    with only():
        expected = coordinate_median(rows)
    for flavour in extension.FLAVOURS:
        assert not extension.native.median(rows.numpy(), torch.empty(38).numpy(), flavour)
        with only(flavour):
            assert torch.equal(coordinate_median(rows).nan_to_num(9.0), expected.nan_to_num(9.0))


def test_the_median_of_numbers_whose_sum_is_none() -> None:
    rows = torch.tensor([[3e38, -3e38, 1.0], [3.2e38, -3.2e38, 3.0]])
    assert coordinate_median(rows).tolist() == pytest.approx([3.1e38, -3.1e38, 2.0])


@pytest.mark.parametrize("n", [FEWEST_COUNTED - 1, FEWEST_COUNTED, 1000])
def test_the_median_of_many_is_the_same_bit_for_bit(n: int) -> None:
    rows = torch.randn(n, 700)
    with only():
        expected = coordinate_median(rows)
    assert torch.equal(coordinate_median(rows), expected)
    rows[n // 2, 33] = torch.nan
    assert coordinate_median(rows).isnan().sum() <= 1


@needs_native
def test_what_is_not_float32_or_nothing_is_left_to_torch() -> None:
    rows = torch.randn(5, 40, dtype=torch.float64)
    assert torch.equal(sorted_columns(rows, [2]), by_sorting(rows, [2]))
    assert sorted_columns(torch.empty(3, 0), [1]).shape == (1, 0)
    many = torch.randn(1100, 30)
    assert torch.equal(sorted_columns(many, [500]), by_sorting(many, [500]))


@needs_native
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"network": [[0, 3, 3]]}, "network: found a row that does not exist"),
        ({"network": [[0, 1]]}, r"network: need \[comparators, 3\]"),
        ({"ranks": [3]}, "ranks: found one that does not exist"),
        ({"ranks": []}, "ranks: need at least one"),
        ({"rows": np.zeros(4, np.float32)}, r"rows: need \[n, d\]"),
        ({"rows": np.zeros((8, 3), np.float32).T}, "side by side"),
        ({"to": np.zeros(9, np.float32)}, "to: need a place for every result"),
        ({"flavour": "pdp11"}, "flavour: found 'pdp11'"),
    ],
)
def test_the_door_is_watched(change: dict[str, object], why: str) -> None:
    given_ = {"rows": np.zeros((3, 8), np.float32), "network": [[0, 1, 3]], "ranks": [1], "to": np.zeros(8, np.float32),
              "mean": False, "flavour": "baseline", **change}  # fmt: skip
    arrays = {name: np.array(given_[name], np.int32) for name in ("network", "ranks")}
    with pytest.raises(ValueError, match=why):
        extension.native.ranked(**{**given_, **arrays})


@needs_native
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"rank": 3}, "rank: found one that does not exist"),
        ({"rank": -1}, "rank: found one that does not exist"),
        ({"rank": 2, "pair": True}, "rank: found one that does not exist"),
        ({"pair": True}, "to: need a place for every result"),
        ({"rows": np.zeros(4, np.float32)}, r"rows: need \[n, d\]"),
    ],
)
def test_the_other_door_too(change: dict[str, object], why: str) -> None:
    given_ = {"rows": np.zeros((3, 8), np.float32), "rank": 1, "pair": False, "to": np.zeros(8, np.float32), "mean": False,
              "flavour": "baseline", **change}  # fmt: skip
    with pytest.raises(ValueError, match=why):
        extension.native.counted(**given_)


@pytest.mark.parametrize("n", [2, 7, 16, 33])
def test_what_nobody_looks_at_again_is_not_kept(n: int) -> None:
    """Of the comparisons for the median some give only one of their two, and none gives nothing."""
    median, whole = comparators(n, (n // 2,)), comparators(n, tuple(range(n)))
    assert all(keeps in (1, 2, 3) for _, _, keeps in median)
    assert sum(keeps == 3 for *_, keeps in median) < len(median) < len(whole) or n == 2
    assert all(keeps == 3 for *_, keeps in whole)
