"""Means over seeds with 95% t intervals, and differences paired by seed.

A bootstrap of three to five seeds under-covers; the t interval does not, as long as seeds are roughly normal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from scipy.special import stdtrit

CONFIDENCE = 0.95

Series = Mapping[int, float]
"""One value a seed."""


@dataclass(frozen=True)
class Interval:
    """A mean over seeds; without an interval (None) where one seed is all there is."""

    mean: float
    half_width: float | None
    seeds: int

    @property
    def low(self) -> float | None:
        return None if self.half_width is None else self.mean - self.half_width

    @property
    def high(self) -> float | None:
        return None if self.half_width is None else self.mean + self.half_width

    @property
    def includes_zero(self) -> bool:
        """Whether zero cannot be ruled out; without an interval nothing can."""
        return self.half_width is None or abs(self.mean) <= self.half_width


def t_interval(values: Sequence[float]) -> Interval | None:
    """Mean and half-width of the 95% t interval; None of nothing.

    >>> t_interval([1.0, 2.0, 3.0]).half_width        # 4.3027 x 1 / sqrt(3)
    2.484137711719...
    """
    count = len(values)
    if not count:
        return None
    mean = math.fsum(values) / count
    if count == 1:
        return Interval(mean, None, 1)
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    return Interval(mean, _t_quantile(count - 1) * math.sqrt(variance / count), count)


def difference(first: Series, second: Series) -> Interval | None:
    """`first - second` over the seeds that both have; None where they share none."""
    return t_interval([first[seed] - second[seed] for seed in sorted(first.keys() & second.keys())])


def combine(series: Sequence[Series], how: Callable[[list[float]], float]) -> dict[int, float]:
    """Seed by seed, over the seeds that every series has: leaving out a series' hard seeds must not flatter it."""
    if not series:
        return {}
    shared = set.intersection(*(set(one) for one in series))
    return {seed: how([one[seed] for one in series]) for seed in sorted(shared)}


def average(values: list[float]) -> float:
    return math.fsum(values) / len(values)


@cache
def _t_quantile(freedom: int) -> float:
    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))
