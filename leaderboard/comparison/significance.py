"""Which of many seed-paired differences are more than noise.

Thousands of differences with three seeds each are tested at once. Two things follow, and this file is about them.

*Few seeds.* The variance of three differences is itself almost unknown: a t test on two degrees of freedom needs t > 100 to
survive a correction for a thousand tests, and would find nothing. But the cells of one task and metric tell a lot about each
other. So each cell's variance is shrunk towards what its group has, as far as the group supports it: the variances are taken
as draws from a scaled inverse chi-square distribution, whose scale and degrees of freedom are fitted to the moments of their
logarithms (Smyth 2004, "Linear models and empirical Bayes methods", known as limma). Where variances differ wildly, the fit
gives few degrees of freedom and the test falls back to the plain t test; where they agree, many, up to all of the group's.
A mean over cells has one more source: it varies at least as much as its cells would make it if they were independent.
Without that floor, a mean with one very noisy cell would be shrunk towards calmer neighbours, and false alarms follow.

*Many tests.* Holm's procedure bounds the chance of even one false alarm in the whole family, whatever the tests' dependence.

What is exactly zero in all seeds is no test: the engine is deterministic, so nothing that matters to the cell has changed,
and no noise can make an alarm of it. Differences that are bit for bit those of another cell (reconstructions in which the
server sees the same) are one test, not several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma, stdtr

Floats = NDArray[np.float64]

SMALLEST = 1e-5
"""Of the median variance of a group: what a variance of zero counts as when the group is fitted (it has no logarithm)."""


@dataclass(frozen=True)
class Prior:
    """What a group says of the variance of one of its cells: `scale`, worth `freedom` degrees of freedom."""

    scale: float
    freedom: float


@dataclass(frozen=True)
class Test:
    """`worse` and `better`: one-sided p values of a negative and a positive mean. `error`: the standard error, moderated;
    `freedom`: its degrees of freedom."""

    worse: float
    better: float
    error: float
    freedom: float


def moderated_tests(group: Sequence[Sequence[float]], floors: Sequence[float] = ()) -> list[Test]:
    """One test for each cell of a group (one task, one metric): its differences by seed, two or more, not all zero.
    `floors`: a variance that each has at least.

    Differences that are the same in every seed give an error of zero where no other cell of the group varies: p is then 0.
    """
    freedom = np.array([len(one) - 1.0 for one in group])
    means, variances = _moments(group)
    _, first = np.unique([_key(one) for one in group], return_index=True)
    prior = fit_prior(variances[first], freedom[first])
    total = np.minimum(freedom + prior.freedom, freedom[first].sum())
    posterior = np.full_like(variances, prior.scale)
    if np.isfinite(prior.freedom):
        posterior = (prior.freedom * prior.scale + freedom * variances) / (prior.freedom + freedom)
    errors = np.sqrt(np.maximum(posterior, floors if len(floors) else 0.0) / (freedom + 1))
    with np.errstate(divide="ignore"):
        t = np.where(means == 0, 0.0, means / np.where(means == 0, 1.0, errors))
    columns = (stdtr(total, t), stdtr(total, -t), errors, total)
    return [Test(*(float(value) for value in row)) for row in zip(*columns, strict=True)]


def _moments(group: Sequence[Sequence[float]]) -> tuple[Floats, Floats]:
    """Mean and variance of each; series of one length at once, for there may be thousands."""
    means, variances = np.empty(len(group)), np.empty(len(group))
    lengths = np.array([len(one) for one in group])
    for length in set(lengths.tolist()):
        rows = np.flatnonzero(lengths == length)
        values = np.array([group[row] for row in rows.tolist()])
        means[rows], variances[rows] = values.mean(1), values.var(1, ddof=1)
    return means, variances


def fit_prior(variances: Floats, freedom: Floats) -> Prior:
    """The scaled inverse chi-square distribution that these variances come from, by the moments of their logarithms.

    Logarithms that spread more than sample variances do by chance mean few degrees of freedom; no more than that means one
    variance for all (infinitely many). One variance alone says nothing about others (none). The spread counts with one
    standard error on top: of few cells it is not well known, and too many degrees of freedom are false alarms.
    """
    positive = variances[variances > 0]
    if len(variances) < 2 or not len(positive):
        return Prior(0.0, 0.0)
    halves = freedom / 2
    logs = np.log(np.maximum(variances, SMALLEST * np.median(positive))) + np.log(halves) - digamma(halves)
    centre, chance = float(logs.mean()), float(polygamma(1, halves).mean())
    kurtosis = 3 + float(polygamma(3, halves).mean()) / chance**2
    excess = float(logs.var(ddof=1)) * (1 + np.sqrt((kurtosis - 1) / len(logs))) - chance
    if excess <= 0:
        return Prior(float(np.exp(centre)), np.inf)
    half = _inverse_trigamma(excess)
    return Prior(float(np.exp(centre + digamma(half) - np.log(half))), 2 * half)


def holm(values: Sequence[float]) -> list[float]:
    """P values corrected for their number, in the same order: reject those at or below the level and at most that share of
    families without any true effect has even one rejected.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(values, kind="stable")
    steps = np.asarray(values)[order] * np.arange(len(values), 0, -1)
    corrected = np.empty(len(values))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return [float(value) for value in corrected]


def distinct(series: Sequence[Sequence[float]]) -> list[int]:
    """For each series the position of the first one that is the same bit for bit."""
    first: dict[str, int] = {}
    return [first.setdefault(_key(one), position) for position, one in enumerate(series)]


def _key(one: Sequence[float]) -> str:
    return ",".join(float(value).hex() for value in one)


def _inverse_trigamma(value: float) -> float:
    """The x > 0 with trigamma(x) = value, by Newton's steps on 1 / trigamma, which is convex: they never overshoot."""
    if value > 1e7:
        return float(1 / np.sqrt(value))
    if value < 1e-6:
        return 1 / value
    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = polygamma(1, x)
        step = float(trigamma * (1 - trigamma / value) / polygamma(2, x))
        x += step
        if abs(step) < 1e-10 * x:
            break
    return float(x)
