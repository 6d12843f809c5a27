"""Many defenses over many blocks: mean ranks, whether they differ at all, by how much they must, and how sure they are.

Friedman's test with Iman and Davenport's correction and Nemenyi's critical difference, as in Demsar, "Statistical
Comparisons of Classifiers over Multiple Data Sets", JMLR 7 (2006). Scores are [blocks, defenses], and more is better.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from fflbench.leaderboard.intervals import CONFIDENCE

Array = npt.NDArray[np.float64]

DRAWS = 1000
"""Bootstrap samples."""


def ranked(scores: Array) -> Array:
    """Ranks along the last axis: 1 is the highest score, equal ones share the mean of their ranks.

    >>> ranked(np.array([[0.9, 0.5, 0.5]]))
    array([[1. , 2.5, 2.5]])
    """
    from scipy.stats import rankdata

    found: Array = np.asarray(rankdata(-scores, axis=-1), dtype=np.float64)
    return found


def friedman(ranks: Array) -> float | None:
    """The p-value that all defenses are alike, from the ranks [blocks, defenses]; None where there is nothing to test."""
    from scipy.stats import f

    blocks, defenses = ranks.shape
    if blocks < 2 or defenses < 2:
        return None
    spread = float((ranks**2).sum()) - blocks * defenses * (defenses + 1) ** 2 / 4
    if spread <= 0:
        return 1.0
    between = float(((ranks.sum(axis=0) - blocks * (defenses + 1) / 2) ** 2).sum())
    chi = (defenses - 1) * between / spread
    rest = blocks * (defenses - 1) - chi
    if rest <= 1e-9:
        return 0.0
    return float(f.sf((blocks - 1) * chi / rest, defenses - 1, (defenses - 1) * (blocks - 1)))


def critical_difference(defenses: int, blocks: int) -> float:
    """Nemenyi's: any two mean ranks that are further apart than this differ at the 5% level."""
    return _studentized_range(defenses) / math.sqrt(2) * math.sqrt(defenses * (defenses + 1) / (6 * blocks))


@cache
def _studentized_range(groups: int) -> float:
    from scipy.stats import studentized_range

    return float(studentized_range.ppf(CONFIDENCE, groups, math.inf))


def rank_intervals(ranks: Array, seed: int = 0) -> tuple[Array, Array]:
    """95% percentile bootstrap intervals [defenses] of the mean ranks over blocks, from the ranks [blocks, defenses]: blocks
    are drawn with replacement, as other attacks might have been."""
    rng = np.random.default_rng(seed)
    picks = rng.multinomial(len(ranks), np.full(len(ranks), 1 / len(ranks)), size=DRAWS)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(picks @ ranks / len(ranks), (tail, 1 - tail), axis=0)
    return low, high
