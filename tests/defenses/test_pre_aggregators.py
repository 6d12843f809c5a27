"""Pre-aggregators by hand, and what they conserve."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fflbench.contracts import Layout, Parameter, Round, Upload
from fflbench.defenses.aggregation.arc import AdaptiveRobustClipping
from fflbench.defenses.aggregation.bucketing import Bucketing
from fflbench.defenses.aggregation.clipping import Clipping
from fflbench.defenses.aggregation.nnm import NearestNeighbourMixing
from tests.conftest import TASK

MakeRound = Callable[..., Round]
LENIENT = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)


def transformed(part: object, rows: object, make_round: MakeRound, **more: object) -> torch.Tensor:
    matrix = torch.as_tensor(rows, dtype=torch.float32)
    round_ = make_round(matrix, **more)
    return part.transform(Upload(matrix.clone(), round_.peers), round_).rows


def test_nnm_by_hand(make_round: MakeRound) -> None:
    """f = 1: the three nearest of 0, 1, 3, 10; of 10 they are 10, 3, 1."""
    rows = transformed(NearestNeighbourMixing(), [[0.0], [1.0], [3.0], [10.0]], make_round, tolerated=1)
    assert rows.flatten().tolist() == pytest.approx([4 / 3, 4 / 3, 4 / 3, 14 / 3])


def test_nnm_without_attackers_is_the_mean_for_all(make_round: MakeRound) -> None:
    rows = torch.randn(5, 7)
    torch.testing.assert_close(transformed(NearestNeighbourMixing(), rows, make_round), rows.mean(0).expand(5, 7))


def test_nnm_keeps_honest_neighbourhoods_free_of_far_rows(make_round: MakeRound) -> None:
    honest = torch.randn(7, 7)
    for outlier in (1e3, 1e10, 1e30):
        rows = torch.cat([honest, torch.full((2, 7), outlier)])
        assert transformed(NearestNeighbourMixing(), rows, make_round, tolerated=2)[:7].abs().max() <= honest.abs().max()


def test_a_row_is_its_own_nearest_even_among_equals(make_round: MakeRound) -> None:
    rows = transformed(NearestNeighbourMixing(f=2), [[1.0], [1.0], [1.0], [4.0], [4.0]], make_round)
    assert rows.flatten().tolist() == pytest.approx([1, 1, 1, 3, 3])


@LENIENT
@given(n=st.integers(1, 13), size=st.integers(1, 5), seed=st.integers(0, 99))
def test_bucketing_uses_every_row_exactly_once(n: int, size: int, seed: int, make_round: MakeRound) -> None:
    """A peer's shuffle lost half of the rows: here row i is the i-th unit vector, so a bucket shows who is in it."""
    rows, part = torch.eye(n), Bucketing(size=size)
    upload = part.transform(Upload(rows, tuple(range(n))), make_round(rows, seed=seed))
    members = [set(row.nonzero().flatten().tolist()) for row in upload.rows]
    assert sorted(i for bucket in members for i in bucket) == list(range(n))
    assert [len(bucket) for bucket in members] == [size] * (n // size) + [n % size] * (n % size > 0)
    assert all(peer in bucket for peer, bucket in zip(upload.peers, members, strict=True))
    assert len(upload.rows) == part.remaining(n)
    torch.testing.assert_close(upload.rows.sum(1), torch.ones(len(members)))


def test_buckets_differ_between_rounds_and_not_between_defenses(make_round: MakeRound) -> None:
    rows = torch.eye(10)
    first, again, later = (transformed(Bucketing(), rows, make_round, index=index) for index in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, later)


def test_bucketing_needs_more_good_buckets_than_attackers() -> None:
    assert Bucketing(size=3).unfit(10, 2, TASK) == "size 3 leaves 4 rows of 10 uploads, needs more than 2 f = 4"
    assert Bucketing(size=2).unfit(10, 2, TASK) is None


def with_buffer(make_round: MakeRound, rows: torch.Tensor, **more: object) -> tuple[Upload, Round]:
    round_, d = make_round(rows, **more), rows.shape[1]
    round_.layout = Layout((Parameter("w", (d - 1,), 0, d - 1, True), Parameter("running", (1,), d - 1, 1, False)))
    return Upload(rows, round_.peers), round_


def test_clipping_by_hand_leaves_statistics_alone(make_round: MakeRound) -> None:
    rows = torch.tensor([[3.0, 4, 100], [0.6, 0.8, 100], [0, 0, 100]])
    found = Clipping(norm=2.0).transform(*with_buffer(make_round, rows)).rows
    torch.testing.assert_close(found, torch.tensor([[1.2, 1.6, 100], [0.6, 0.8, 100], [0, 0, 100]]))


def test_arc_by_hand(make_round: MakeRound) -> None:
    """n = 5, f = 1: k = floor(2 * 1/5 * 4) = 1, so the longest is cut to the second longest."""
    rows = torch.tensor([[1.0, 9], [-2, 9], [3, 9], [4, 9], [-50, 9]])
    found = AdaptiveRobustClipping().transform(*with_buffer(make_round, rows, tolerated=1)).rows
    assert found[:, 0].tolist() == pytest.approx([1, -2, 3, 4, -4])
    assert found[:, 1].tolist() == [9] * 5
    assert transformed(AdaptiveRobustClipping(), rows, make_round).tolist() == rows.tolist()


@pytest.mark.parametrize(("n", "f"), [(10, 2), (10, 4), (7, 3), (20, 5), (3, 1)])
def test_arc_clips_as_many_as_it_says(n: int, f: int, make_round: MakeRound) -> None:
    lengths = np.random.default_rng(n).permutation(np.arange(1.0, n + 1))
    found = transformed(AdaptiveRobustClipping(), lengths[:, None], make_round, tolerated=f).flatten()
    k = 2 * f * (n - f) // n
    assert int((found.numpy() < lengths - 0.5).sum()) == k
    assert found.max().item() == pytest.approx(n - k)


def test_rules_that_need_a_majority_say_so() -> None:
    line = "needs more than 2 f = 4 uploads to tolerate f = 2 attackers, has 4"
    assert NearestNeighbourMixing().unfit(4, 2, TASK) == line
    assert AdaptiveRobustClipping(f=2).unfit(4, 0, TASK) == line
    assert NearestNeighbourMixing().unfit(5, 2, TASK) is None
