"""How much worse is still fine, by metric."""

from __future__ import annotations

import math
from collections.abc import Iterable

from fflbench import registry
from fflbench.errors import UserError
from fflbench.leaderboard.measures import Measure
from fflbench.leaderboard.wording import plain

BY_UNIT = {"%": 1.0, "dB": 0.5, "rounds": 1.0}
UNIT_RANGE = 0.01
OTHERWISE = 0.1


def default_tolerance(measure: Measure) -> float:
    """In the metric's unit: 1 percentage point, 0.5 dB, 1 round, 0.01 of a score that ends at 1, 0.1 of anything else."""
    return BY_UNIT.get(measure.unit, UNIT_RANGE if measure.high == 1 else OTHERWISE)


def parse_tolerances(given: Iterable[str]) -> dict[str, float]:
    """From `METRIC=VALUE` to values by metric; `inf` means that the metric is shown and never judged."""
    found: dict[str, float] = {}
    for text in given:
        name, equals, value = text.partition("=")
        name = name.strip()
        try:
            number = float(value) if equals and "_" not in value else math.nan
        except ValueError:
            number = math.nan
        if not number >= 0:
            raise UserError(f"--tolerance: found {text!r}, needs METRIC=VALUE with a value from 0 up, such as accuracy=1.5")
        if name in found:
            raise UserError(f"--tolerance: found {plain(name)!r} twice, needs each metric once")
        found[name] = number
    return found


def check_tolerances(tolerances: Iterable[str], measured: Iterable[str]) -> None:
    """Raises `UserError` for a metric that no record has."""
    known = sorted(set(measured))
    for name in tolerances:
        if name not in known:
            raise registry.unknown(name, known, "--tolerance", f"measured here: {plain(', '.join(known), 300)}")
