"""The statistics of the gate: against numbers worked out by hand, scipy, and what must hold for any data."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import polygamma

from fflbench.leaderboard.comparison.significance import (
    _inverse_trigamma,
    distinct,
    fit_prior,
    holm,
    moderated_tests,
)

VALUES = st.lists(st.floats(-100, 100).filter(lambda value: abs(value) > 1e-3), min_size=2, max_size=6)


@given(VALUES)
def test_a_cell_alone_has_the_plain_t_test(values: list[float]) -> None:
    if np.std(values) < 1e-6:
        return
    (found,) = moderated_tests([values])
    expected = stats.ttest_1samp(values, 0, alternative="less")
    assert found.worse == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    assert found.worse + found.better == pytest.approx(1)
    assert found.freedom == len(values) - 1


def test_cells_of_one_variance_are_pooled() -> None:
    """Variances 1, 1 and 1 differ by less than chance: one variance, with the degrees of freedom of all three."""
    group = [[-1.0, 0.0, 1.0], [4.0, 5.0, 6.0], [-9.0, -8.0, -7.0]]
    for test, mean in zip(moderated_tests(group), (0.0, 5.0, -8.0), strict=True):
        assert test.freedom == 6
        # The scale is the mean of log variances, put right for two degrees of freedom: exp(0.5772 ...), not 1.
        assert test.error == pytest.approx(math.sqrt(math.exp(np.euler_gamma) / 3))
        assert test.worse == pytest.approx(stats.t.cdf(mean / test.error, 6))


def test_variances_that_differ_wildly_are_left_alone() -> None:
    rng = np.random.default_rng(0)
    spreads = 10.0 ** np.linspace(-6, 6, 40)
    group = [list(spread * rng.standard_normal(5)) for spread in spreads]
    for found, values in zip(moderated_tests(group)[20:], group[20:], strict=True):
        assert found.freedom < 4.2
        assert found.error == pytest.approx(stats.sem(values), rel=0.05)


def test_the_fit_finds_the_distribution_that_variances_came_from() -> None:
    rng = np.random.default_rng(1)
    freedom, scale, each = 6.0, 4.0, 2.0
    true = scale * freedom / rng.chisquare(freedom, 20_000)
    sampled = true * rng.chisquare(each, 20_000) / each
    found = fit_prior(sampled, np.full(20_000, each))
    assert found.freedom == pytest.approx(freedom, rel=0.15)
    assert found.scale == pytest.approx(scale, rel=0.05)


def test_the_same_loss_in_every_seed_is_significant_and_no_spread_anywhere_makes_it_certain() -> None:
    alone = moderated_tests([[-2.0, -2.0, -2.0]])[0]
    assert alone.worse == 0
    assert alone.better == 1
    among = moderated_tests([[-2.0, -2.0, -2.0], [0.5, -0.3, 0.1], [-0.2, 0.4, 0.2], [0.3, -0.5, -0.1]])[0]
    assert 0 < among.worse < 0.05


def test_a_mean_of_zero_is_nothing_either_way() -> None:
    found = moderated_tests([[-1.0, 1.0], [-1.0, 1.0]])
    assert [(one.worse, one.better) for one in found] == [(0.5, 0.5)] * 2


def test_a_floor_holds_back_a_mean_that_varied_little_by_chance() -> None:
    free, held = moderated_tests([[-1.0, -1.01, -0.99]])[0], moderated_tests([[-1.0, -1.01, -0.99]], [3.0])[0]
    assert held.error == pytest.approx(1)
    assert free.error < 0.01 < held.error


@given(st.floats(1e-5, 1e5))
def test_inverse_trigamma(value: float) -> None:
    assert polygamma(1, _inverse_trigamma(value)) == pytest.approx(value, rel=1e-4)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_rejects_what_its_steps_reject(values: list[float]) -> None:
    """The step-down procedure as it is written in textbooks, at three levels."""
    corrected = holm(values)
    for level in (0.01, 0.05, 0.2):
        rejected, order = set(), sorted(range(len(values)), key=lambda k: values[k])
        for step, k in enumerate(order):
            if values[k] * (len(values) - step) > level:
                break
            rejected.add(k)
        assert {k for k, value in enumerate(corrected) if value <= level} == rejected
    assert all(first >= second for first, second in zip(corrected, values, strict=True))


def test_holm_of_three() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_series_that_are_the_same_bit_for_bit_are_one() -> None:
    assert distinct([[0.1, 0.2], [0.3, 0.1], [0.1, 0.2], [0.1, 0.2 + 1e-15]]) == [0, 1, 0, 3]


def test_no_false_alarm_in_a_family_more_often_than_the_level() -> None:
    """2,000 families of 30 cells whose variances come from the assumed distribution: the bound, and not much less."""
    rng = np.random.default_rng(3)
    alarms = 0
    for _ in range(2000):
        spread = np.sqrt(4 / rng.chisquare(4, 30))
        group = (rng.standard_normal((30, 3)) * spread[:, None]).tolist()
        alarms += min(holm([one.worse for one in moderated_tests(group)])) <= 0.05
    upper = stats.binom.ppf(0.999, 2000, 0.05)
    assert 0.01 * 2000 < alarms <= upper
