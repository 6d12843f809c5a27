"""Median, trimmed mean, repeated median and mean against values worked out by hand, and what holds by definition."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fflbench.contracts import Aggregator, Upload, Visibility
from fflbench.defenses.aggregation.mean import Mean
from fflbench.defenses.aggregation.median import Median
from fflbench.defenses.aggregation.repeated_median import RepeatedMedian
from fflbench.defenses.aggregation.sorting import sorted_columns
from fflbench.defenses.aggregation.trimmed_mean import TrimmedMean
from tests.conftest import TASK

RULES = [Mean(), Median(), TrimmedMean(trim=0.25), RepeatedMedian()]
MATRICES = arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 6)), elements=st.integers(-100, 100).map(float))
LENIENT = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


@pytest.mark.parametrize("n", [*range(1, 24), 64, 100, 129])
def test_sorting_equals_the_library(n: int) -> None:
    rows = torch.randint(-3, 4, (n, 150)).float()
    kept, expected = rows.clone(), rows.sort(dim=0).values
    assert torch.equal(sorted_columns(rows, block=64), expected)
    for rank in {0, n // 2, n - 1}:
        assert torch.equal(sorted_columns(rows, [rank]), expected[[rank]])
    assert torch.equal(rows, kept)


def test_median_by_hand(aggregate: Callable[..., torch.Tensor]) -> None:
    assert aggregate(Median(), [[1, 5], [2, -1], [9, 0]]).tolist() == [2, 0]
    assert aggregate(Median(), [[1, 5], [2, -1], [9, 0], [4, 2]]).tolist() == [3, 1]


def test_trimmed_mean_by_hand(aggregate: Callable[..., torch.Tensor]) -> None:
    rows = [[0], [1], [2], [4], [100]]
    assert aggregate(TrimmedMean(trim=0.2), rows).tolist() == pytest.approx([7 / 3])
    assert aggregate(TrimmedMean(), rows, tolerated=2).tolist() == [2]
    assert aggregate(TrimmedMean(), rows, tolerated=0).tolist() == pytest.approx([107 / 5])


def test_trimmed_mean_survives_cancellation(aggregate: Callable[..., torch.Tensor]) -> None:
    """A peer's "sum minus the extremes" gives 0 here."""
    assert aggregate(TrimmedMean(trim=0.2), [[1e10], [1], [1], [1], [-1e10]]).tolist() == [1]


def test_trimmed_mean_refuses_to_trim_everything() -> None:
    assert "trims 2 from each side, needs more than 4 uploads, has 4" in str(TrimmedMean().unfit(4, 2, TASK))
    assert TrimmedMean().unfit(5, 2, TASK) is None


def test_repeated_median_by_hand(aggregate: Callable[..., torch.Tensor]) -> None:
    """Ranks 0..3, values 0, 1, 2, 90: every point's median slope is 1 but the last's, which is (89.5, 44.5 -> 44.5 of
    90/3, 89/2, 88/1). The slopes' median is 1; the residuals about rank 1.5 are 1.5, 1.5, 1.5, 88.5, their median 1.5."""
    assert aggregate(RepeatedMedian(), [[2], [0], [90], [1]]).tolist() == [1.5]
    assert aggregate(RepeatedMedian(), [[7.0]]).tolist() == [7]


def test_repeated_median_works_in_blocks(aggregate: Callable[..., torch.Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.randn(7, 150)
    whole = aggregate(RepeatedMedian(), rows)
    monkeypatch.setattr("fflbench.blocks.ENTRIES", 1)
    assert torch.equal(whole, aggregate(RepeatedMedian(), rows))


def test_weighted_mean_follows_the_number_of_examples(make_round: Callable[..., object]) -> None:
    rows = torch.tensor([[0.0], [4.0]])
    round_ = make_round(rows, weights={0: 30, 1: 10})
    assert Mean(weighted=True).aggregate(Upload(rows, (0, 1)), round_).vector.tolist() == [1.0]
    summed = Upload(rows.mean(0, keepdim=True), (0, 1), Visibility.SUM)
    assert Mean(weighted=True).aggregate(summed, round_).vector.tolist() == [2.0]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
class TestDefinitions:
    @LENIENT
    @given(data=st.data())
    def test_order_of_peers_does_not_matter(
        self, rule: Aggregator, data: st.DataObject, aggregate: Callable[..., torch.Tensor]
    ) -> None:
        rows = torch.from_numpy(data.draw(MATRICES))
        order = torch.tensor(data.draw(st.permutations(range(len(rows)))))
        torch.testing.assert_close(aggregate(rule, rows), aggregate(rule, rows[order]), atol=1e-4, rtol=1e-5)

    @LENIENT
    @given(rows=MATRICES, shift=st.integers(-50, 50), scale=st.integers(1, 8))
    def test_moves_and_scales_with_the_updates(
        self, rule: Aggregator, rows: np.ndarray, shift: int, scale: int, aggregate: Callable[..., torch.Tensor]
    ) -> None:
        changed = torch.from_numpy(rows) * scale + shift
        torch.testing.assert_close(aggregate(rule, changed), aggregate(rule, rows) * scale + shift, atol=1e-2, rtol=1e-4)

    @LENIENT
    @given(rows=MATRICES)
    def test_stays_within_the_range_of_every_coordinate(
        self, rule: Aggregator, rows: np.ndarray, aggregate: Callable[..., torch.Tensor]
    ) -> None:
        vector = aggregate(rule, rows).numpy()
        # A line through the values may leave their range, not by more than its width.
        slack = rows.max(0) - rows.min(0) if isinstance(rule, RepeatedMedian) else np.full(rows.shape[1], 1e-4)
        assert (vector >= rows.min(0) - slack).all()
        assert (vector <= rows.max(0) + slack).all()

    @LENIENT
    @given(row=arrays(np.float32, 4, elements=st.integers(-100, 100).map(float)), count=st.integers(1, 9))
    def test_exact_when_all_agree(
        self, rule: Aggregator, row: np.ndarray, count: int, aggregate: Callable[..., torch.Tensor]
    ) -> None:
        torch.testing.assert_close(aggregate(rule, np.tile(row, (count, 1))), torch.from_numpy(row))


@pytest.mark.parametrize("rule", [Median(), RepeatedMedian(), TrimmedMean(trim=0.4)], ids=lambda rule: type(rule).__name__)
def test_a_minority_cannot_carry_the_result_away(rule: Aggregator, aggregate: Callable[..., torch.Tensor]) -> None:
    honest = torch.randn(7, 20)
    attacked = torch.cat([honest, torch.full((3, 20), 1e8)])
    assert aggregate(rule, attacked).abs().max() < 10 * honest.abs().max()
