"""Whether a cell that was run again says what the submission said.

Code, data and machine of the same type give the same numbers, bit for bit. Another processor, thread count or device changes
the last digits, and training carries that on: then numbers are `close` when they are within a tolerance, by the unit of
what they measure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from fflbench.leaderboard.measures import LARGEST, measure
from fflbench.records import Record
from fflbench.verification.report import Outcome

BY_UNIT = {"%": 2.0, "dB": 1.0}
"""How far apart two numbers of a unit may be: percentage points, decibels."""
PERFECT = 60.0
"""Decibels from which on a picture is the original to every eye and rounding decides: more count as these."""
UNIT_RANGE = 0.05
"""The same for scores from 0 to 1."""
RELATIVE = 0.05
"""The same for everything else, as a share of the larger number."""
COUNTS = ("uploads", "rounds")
"""Notes that decide what a page shows of costs."""

Numbers = Mapping[str, float | None]
Pair = tuple[str, float | None, float | None, float]
"""Where, the two numbers, and how far apart they may be."""


def compare(stated: Record, found: Record, tolerance: float) -> tuple[Outcome, str]:
    """The outcome and what decided it. `tolerance` scales the tolerances above; 0 asks for the same bits. Times are not
    compared: they are the machine's."""
    if stated.status != found.status:
        error = f" ({found.error[:200]})" if found.error else ""
        return "differs", f"status: stated {stated.status}, found {found.status}{error}"
    if _comparable(stated) == _comparable(found):
        return "same", ""
    for where, one, other, allowed in _pairs(stated, found):
        if _distance(one, other) > tolerance * allowed:
            return "differs", f"{where}: stated {_shown(one)}, found {_shown(other)}, may be {tolerance * allowed:g} apart"
    if tolerance == 0:
        return "differs", "not the same bits, as --tolerance 0 asks for"
    return "close", ""


def _distance(one: float | None, other: float | None) -> float:
    if one is None or other is None:
        return 0.0 if one is other else math.inf
    return abs(_bounded(one) - _bounded(other))


def _bounded(value: float) -> float:
    """A model that falls apart loses without bound, and no page shows more than this: beyond, numbers count as the same."""
    return max(-LARGEST, min(LARGEST, value))


def _comparable(record: Record) -> dict[str, object]:
    """What must be the same: not its name, which holds the code; `other_picture` looks at the pictures."""
    return {name: value for name, value in record.comparable().items() if name not in ("digest", "artefacts")}


def _pairs(stated: Record, found: Record) -> Iterator[Pair]:
    yield from _table("metric", stated.metrics, found.metrics)
    for reference in sorted({*stated.references, *found.references}):
        yield from _table(
            f"reference {reference}", stated.references.get(reference, {}), found.references.get(reference, {})
        )
    for name in sorted({*stated.curves, *found.curves}):
        yield from _curve(name, stated.curves.get(name, []), found.curves.get(name, []))
    for name in sorted({*stated.classes, *found.classes}):
        # A class has a tenth of the examples, so it moves more.
        yield f"class {name}", stated.classes.get(name), found.classes.get(name), 3 * BY_UNIT["%"]
    for name in sorted({*stated.sent, *found.sent}):
        one, other = stated.sent.get(name), found.sent.get(name)
        yield f"bytes sent, {name}", one, other, RELATIVE * max(one or 0, other or 0)
    pictures = {(picture.role, picture.index): picture.scores for picture in found.artefacts}
    for picture in stated.artefacts:
        scores = pictures.get((picture.role, picture.index), {})
        yield from _table(f"{picture.role} {picture.index}", picture.scores, scores)
    for name in COUNTS:
        yield f"notes, {name}", _number(stated.notes.get(name)), _number(found.notes.get(name)), 0.0


def _table(what: str, stated: Numbers, found: Numbers) -> Iterator[Pair]:
    for name in sorted({*stated, *found}):
        one, other = (_heard(name, numbers.get(name)) for numbers in (stated, found))
        yield f"{what} {name}", one, other, _allowed(name, one, other)


def _heard(name: str, value: float | None) -> float | None:
    return value if value is None or measure(name).unit != "dB" else min(value, PERFECT)


def _curve(name: str, stated: list[float | None], found: list[float | None]) -> Iterator[Pair]:
    """Its length, and its mean distance: single rounds move more than the end."""
    yield f"curve {name}, length", len(stated), len(found), 0.0
    both = [(one, other) for one, other in zip(stated, found, strict=False) if one is not None and other is not None]
    yield f"curve {name}, rounds with a value", sum(v is not None for v in stated), sum(v is not None for v in found), 0.0
    if both:
        distance = math.fsum(_distance(one, other) for one, other in both) / len(both)
        level = math.fsum(abs(_bounded(one)) for one, _ in both) / len(both)
        yield f"curve {name}, mean distance", 0.0, distance, 2 * _allowed(name, level, level)


def _allowed(name: str, one: float | None, other: float | None) -> float:
    about = measure(name)
    if about.unit in BY_UNIT:
        return BY_UNIT[about.unit]
    return UNIT_RANGE if about.high == 1 else RELATIVE * max(abs(one or 0.0), abs(other or 0.0))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _shown(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.10g}"
