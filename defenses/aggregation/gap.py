"""One cluster or two, on a line: the gap statistic (Tibshirani et al. 2001) and exact 2-means."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


def is_split(values: Vector, generator: np.random.Generator, references: int = 10) -> bool:
    """Whether the gap statistic finds more than one cluster in values [n]: whether two clusters gain more over one than they
    do on uniform values, by a standard error. Values that do not differ are one."""
    spread = values.max() - values.min()
    if len(values) < 3 or spread <= 1e-12 * np.abs(values).max():
        return False
    uniform = np.log([within(generator.random(len(values))) for _ in range(references)])
    found = np.log(np.maximum(within((values - values.min()) / spread), 1e-12))
    gaps = uniform.mean(0) - found
    error = uniform[:, 1].std() * (1 + 1 / references) ** 0.5
    return bool(gaps[0] < gaps[1] - error)


def within(values: Vector) -> Vector:
    """The summed squares within the best one and the best two clusters."""
    ordered = np.sort(values)
    return np.array([squares(ordered), min(squares(ordered[:k]) + squares(ordered[k:]) for k in range(1, len(ordered)))])


def upper_group(values: Vector) -> NDArray[np.bool_]:
    """Who is in the upper of the best two clusters of values [n]. On a line these are a cut in the sorted values."""
    ordered = np.sort(values)
    cuts = [squares(ordered[:k]) + squares(ordered[k:]) for k in range(1, len(ordered))]
    upper: NDArray[np.bool_] = values >= ordered[1 + int(np.argmin(cuts))]
    return upper


def squares(values: Vector) -> float:
    """The summed squared deviation from the mean."""
    return float(np.square(values - values.mean()).sum())
