"""Scales for the figures: round ticks, and from values to places in a drawing."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Tick:
    place: float
    text: str


@dataclass(frozen=True)
class Scale:
    """Maps `low` to `start` and `high` to `end`, in units of the drawing."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, about: int = 5) -> list[Tick]:
        """Round numbers inside the scale."""
        step = round_step((self.high - self.low) / about)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [Tick(self(i * step), f"{i * step:g}") for i in range(first, last + 1)]


def round_step(raw: float) -> float:
    """The smallest of 1, 2, 5, 10, ... (times a power of ten) that is at least `raw`."""
    power = 10.0 ** math.floor(math.log10(raw))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= raw * (1 - 1e-9))


def padded(values: list[float], margin: float = 0.06, at_least: float = 1.0) -> tuple[float, float]:
    """The range of some values with a little air around it."""
    low, high = min(values), max(values)
    air = max((high - low) * margin, at_least / 2)
    return low - air, high + air


def padded_percent(values: list[float], margin: float, at_least: float = 1.0) -> tuple[float, float]:
    """The same, but not beyond 0 and 100 unless a value is."""
    low, high = padded(values, margin, at_least)
    return max(low, min(0.0, *values)), min(high, max(100.0, *values))
