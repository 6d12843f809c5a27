"""Intervals, paired differences, tie groups, the Pareto front: against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fflbench.leaderboard.intervals import average, combine, difference, t_interval
from fflbench.leaderboard.ranking import Rank, pareto_front, ranks, tie_groups

FINITE = st.floats(-1e6, 1e6)


def test_interval_of_three_seeds() -> None:
    found = t_interval([1.0, 2.0, 3.0])
    assert found is not None
    assert found.mean == 2
    assert found.half_width == pytest.approx(4.302652730 * 1 / math.sqrt(3))
    assert found.low == pytest.approx(-0.484137712)
    assert found.high == pytest.approx(4.484137712)


def test_interval_of_two_seeds() -> None:
    found = t_interval([0.0, 2.0])
    assert found is not None
    assert found.half_width == pytest.approx(12.706204736)


def test_one_seed_has_a_mean_and_no_interval() -> None:
    found = t_interval([7.0])
    assert found is not None
    assert (found.mean, found.low, found.high, found.seeds) == (7, None, None, 1)
    assert found.includes_zero


def test_no_seed_has_nothing() -> None:
    assert t_interval([]) is None


@given(st.lists(FINITE, min_size=2, max_size=8))
def test_interval_agrees_with_scipy(values: list[float]) -> None:
    found = t_interval(values)
    assert found is not None
    expected = stats.sem(values) * stats.t.ppf(0.975, len(values) - 1)
    assert found.half_width == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_differences_are_paired() -> None:
    """Seeds differ by tens, the defenses by one on every seed: pairing sees it, separate intervals would not."""
    found = difference({0: 11.0, 1: 51.0, 2: 91.1}, {0: 10.0, 1: 50.0, 2: 90.0})
    assert found is not None
    assert found.mean == pytest.approx(3.1 / 3)
    assert not found.includes_zero


def test_differences_use_shared_seeds_only() -> None:
    found = difference({0: 1.0, 1: 2.0}, {1: 5.0, 2: 9.0})
    assert found is not None
    assert (found.mean, found.seeds) == (-3, 1)
    assert difference({0: 1.0}, {1: 1.0}) is None


def test_combining_keeps_only_complete_seeds() -> None:
    assert combine([{0: 1.0, 1: 2.0}, {0: 3.0}], min) == {0: 1.0}
    assert combine([], average) == {}


CLEAR = {"a": {0: 90.0, 1: 91.0, 2: 92.0}, "b": {0: 80.0, 1: 81.5, 2: 81.0}}


def test_ranks_of_clear_differences() -> None:
    assert ranks(CLEAR, [], "higher") == {"a": Rank(position=1, tied=False), "b": Rank(position=2, tied=False)}
    assert ranks(CLEAR, [], "lower") == {"b": Rank(position=1, tied=False), "a": Rank(position=2, tied=False)}


def test_a_difference_that_includes_zero_is_a_tie_and_the_next_rank_is_skipped() -> None:
    close = {"c": {0: 91.0, 1: 90.5, 2: 91.0}, **CLEAR}
    found = ranks(close, [], "higher")
    assert found == {"a": Rank(position=1, tied=True), "c": Rank(position=1, tied=True), "b": Rank(position=3, tied=False)}


def test_groups_are_compared_with_their_leader_not_with_their_neighbour() -> None:
    """a-b and b-c overlap, a-c does not: c must not ride on b."""
    chain = {"a": {0: 10.0, 1: 12.0}, "b": {0: 9.9, 1: 11.0}, "c": {0: 9.0, 1: 11.0}}
    assert tie_groups(chain, "higher") == [["a", "b"], ["c"]]


def test_a_defense_with_gaps_ranks_last_however_good_it_looks() -> None:
    found = ranks({**CLEAR, "gap": {0: 99.0, 1: 99.0}}, ["gap", "empty"], "higher")
    assert found["gap"] == found["empty"] == Rank(position=3, tied=True)
    assert found["b"] == Rank(position=2, tied=False)


def test_one_seed_supports_no_rank() -> None:
    assert ranks({"a": {0: 90.0}, "b": {0: 10.0}}, [], "higher") == {}
    assert ranks({}, ["a"], "higher") == {}


def test_equal_scores_tie() -> None:
    same = {0: 5.0, 1: 5.0}
    assert ranks({"a": same, "b": same}, [], "higher") == {
        "a": Rank(position=1, tied=True),
        "b": Rank(position=1, tied=True),
    }


def test_pareto_front() -> None:
    points = {"robust": (80.0, 70.0, 20.0), "private": (75.0, 60.0, 9.0), "worse": (79.0, 70.0, 21.0)}
    assert pareto_front(points, ("higher", "higher", "lower")) == {"robust", "private"}


def test_equals_do_not_dominate_each_other() -> None:
    assert pareto_front({"a": (1.0,), "b": (1.0,)}, ("higher",)) == {"a", "b"}


@given(st.dictionaries(st.text(max_size=3), st.tuples(FINITE, FINITE), min_size=1, max_size=8))
def test_the_front_is_never_empty_and_dominates_the_rest(points: dict[str, tuple[float, float]]) -> None:
    front = pareto_front(points, ("higher", "lower"))
    assert front
    for name in points.keys() - front:
        assert any(points[f][0] >= points[name][0] and points[f][1] <= points[name][1] for f in front)
