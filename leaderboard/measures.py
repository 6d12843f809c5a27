"""What a column measures: metrics from the registry, and the scores that the leaderboard derives from them."""

from __future__ import annotations

from functools import cache
from typing import Literal

import pydantic

from fflbench import registry
from fflbench.errors import UserError
from fflbench.leaderboard.wording import decimals, plain

ABOUT = ("label", "unit", "better", "low", "high")
"""What a metric's class says of it."""

LARGEST = 1e15
"""A value beyond this is a mistake or a trick: sums of squares of such values overflow."""


class Measure(pydantic.BaseModel):
    """`better` is the direction that is good for the defense; None: not known, so shown and never ranked."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    name: str
    label: str
    unit: str = ""
    better: Literal["higher", "lower"] | None = None
    low: float | None = None
    high: float | None = None

    @property
    def worst(self) -> float | None:
        """What a defense scores whose training fell apart before anything was measured."""
        return {"higher": self.low, "lower": self.high, None: None}[self.better]

    @property
    def heading(self) -> str:
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def decimals(self, value: float) -> int:
        return decimals(value, self.unit, self.high == 1)

    def allows(self, value: float) -> bool:
        """Whether the value lies in the declared range, but for rounding."""
        slack = 1e-6 * max(1.0, abs(value))
        above = self.low is None or value >= self.low - slack
        return above and (self.high is None or value <= self.high + slack) and abs(value) <= LARGEST


def measure(name: str) -> Measure:
    """The metric of that name; one that is not registered here keeps its name and no direction."""
    return _measure(name, registry.known("metrics", name))


@cache
def _measure(name: str, plugin: registry.Plugin | None) -> Measure:
    try:
        about = plugin.constants(ABOUT) if plugin else {}
    except UserError:
        about = {}
    return Measure(**{"name": name, "label": plain(name, 40), **about})


def derived(name: str, label: str, base: Measure) -> Measure:
    """A score made of a metric's values: same unit, direction and range."""
    return base.model_copy(update={"name": name, "label": label})
