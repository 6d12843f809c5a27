"""Computes every registered metric of a track."""

from __future__ import annotations

import math
from functools import cache

from fflbench import registry
from fflbench.contracts import Metric, Outcome
from fflbench.errors import UserError
from fflbench.records import Track


@cache
def metrics(track: Track) -> dict[str, Metric]:
    """The metrics of a track by name; broken plug-ins are left to `fflbench list metrics` to report."""
    found = {}
    for name, plugin in registry.plugins("metrics").items():
        if plugin.works() and (kind := plugin.load()).track == track:
            found[name] = kind()
    return found


def score(track: Track, outcome: Outcome, each_round: bool = False) -> dict[str, float | None]:
    """All metrics of an outcome; None where one does not apply. A value that is not finite is None as well."""
    values: dict[str, float | None] = {}
    for name, metric in metrics(track).items():
        if each_round and not metric.each_round:
            continue
        try:
            value = metric.compute(outcome)
        except Exception as error:
            raise UserError(f"metric {name!r} failed: {type(error).__name__}: {error}") from error
        values[name] = float(value) if value is not None and math.isfinite(value) else None
    return values
