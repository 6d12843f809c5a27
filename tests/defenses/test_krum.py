"""Krum and Multi-Krum against distances worked out by hand; distances against a direct computation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fflbench import extension
from fflbench.contracts import Upload
from fflbench.defenses.aggregation.distances import squared_distances
from fflbench.defenses.aggregation.krum import Krum, MultiKrum, krum_scores
from tests.conftest import TASK

LINE = [[0.0], [1.0], [3.0], [7.0], [20.0]]
"""n = 5, f = 1: each row's n-f-2 = 2 nearest others. Squared: 0: 1+9, 1: 1+4, 3: 4+9, 7: 16+36, 20: 169+289."""


def test_scores_by_hand() -> None:
    rows = torch.tensor(LINE)
    assert krum_scores(rows, 2).tolist() == pytest.approx([10, 5, 13, 52, 458])
    assert krum_scores(rows, 2, squared=False).tolist() == pytest.approx([4, 3, 5, 10, 30])
    assert krum_scores(rows, 3).tolist() == pytest.approx([59, 41, 29, 101, 819])


def test_krum_is_one_of_the_rows(aggregate: Callable[..., torch.Tensor]) -> None:
    assert aggregate(Krum(), LINE, tolerated=1).tolist() == [1]
    assert aggregate(Krum(neighbours=3), LINE, tolerated=1).tolist() == [3]


def test_multi_krum_means_the_best(aggregate: Callable[..., torch.Tensor], make_round: Callable[..., object]) -> None:
    assert aggregate(MultiKrum(), LINE, tolerated=1).tolist() == [0.5]
    assert aggregate(MultiKrum(keep=3), LINE, tolerated=1).tolist() == pytest.approx([4 / 3])
    assert aggregate(MultiKrum(f=0, extra=1), LINE).tolist() == [0.5]
    rows = torch.tensor(LINE)
    result = MultiKrum().aggregate(Upload(rows, (9, 8, 7, 6, 5)), make_round(rows, tolerated=1, peers=(9, 8, 7, 6, 5)))
    assert result.trust == {9: 1.0, 8: 1.0, 7: 0.0, 6: 0.0, 5: 0.0}


def test_too_few_uploads_are_refused_with_the_number() -> None:
    assert MultiKrum().unfit(4, 2, TASK) == "needs at least f + 3 = 5 uploads to tolerate f = 2 attackers, has 4"
    assert MultiKrum().unfit(5, 2, TASK) is None
    assert "keep: found 9, needs at most 8" in str(MultiKrum(keep=9).unfit(8, 1, TASK))


def test_ties_go_to_the_first_peer(aggregate: Callable[..., torch.Tensor]) -> None:
    assert aggregate(Krum(), [[0.0], [2.0], [4.0], [6.0]], tolerated=1).tolist() == [0]


@pytest.mark.parametrize("native", [False, True])
def test_two_rows_are_as_far_from_each_other_either_way(native: bool) -> None:
    """Bulyan tells ties by it."""
    extension.use_inexact(native)
    for seed in range(5):
        rows = torch.randn(11, 2000, generator=torch.Generator().manual_seed(seed))
        distances = squared_distances(rows)
        assert torch.equal(distances, distances.T)


@settings(deadline=None, max_examples=40)
@given(n=st.integers(1, 8), d=st.integers(1, 30), seed=st.integers(0, 100))
def test_distances_equal_the_definition(n: int, d: int, seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    direct = ((rows[:, None].astype(float) - rows[None].astype(float)) ** 2).sum(2)
    np.testing.assert_allclose(squared_distances(torch.from_numpy(rows), block=7).numpy(), direct, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("outlier", [1e3, 1e6, 1e10])
def test_distances_survive_a_common_part_and_a_far_row(outlier: float) -> None:
    """Where plain inner products or cdist lose every digit."""
    small = torch.randn(5, 1000, dtype=torch.float64) * 1e-1
    rows = torch.cat([small + 1000, torch.full((1, 1000), outlier, dtype=torch.float64)]).float()
    direct = (rows.double()[:, None] - rows.double()[None]).square().sum(2)
    torch.testing.assert_close(squared_distances(rows), direct, rtol=1e-5, atol=1e-9)


def test_the_rows_given_are_not_changed() -> None:
    for dtype in (torch.float32, torch.float64):
        rows = torch.randn(4, 10, dtype=dtype)
        kept = rows.clone()
        squared_distances(rows)
        assert torch.equal(rows, kept)
