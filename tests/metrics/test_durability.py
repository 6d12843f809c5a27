"""Lifespan of a backdoor, counted by hand."""

from __future__ import annotations

import pytest

from fflbench.contracts import Outcome
from fflbench.metrics.durability import Lifespan


@pytest.mark.parametrize(
    ("success", "left", "rounds"),
    [
        (((0, 90.0), (1, 90.0), (2, 80.0), (3, 60.0), (4, 40.0), (5, 70.0)), 2, 2),
        (((0, 90.0), (1, 90.0), (2, 80.0)), 1, 2),
        (((0, 3.0), (1, 3.0)), 1, 0),
        (((4, 90.0), (9, 90.0), (14, 20.0)), 8, 6),
        (((0, 90.0),), 5, None),
        (((0, 90.0),), None, None),
    ],
)
def test_rounds_until_success_falls_below_half(
    success: tuple[tuple[int, float], ...], left: int | None, rounds: int | None
) -> None:
    assert Lifespan().compute(Outcome(success=success, left=left)) == rounds
