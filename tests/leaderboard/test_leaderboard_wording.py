"""How numbers and strangers' text are written."""

from __future__ import annotations

import pytest

from fflbench.leaderboard.wording import count, decimals, fixed, plain, with_interval


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("  two\n lines\t", "two lines"),
        ("\x1b[31mred", "\N{REPLACEMENT CHARACTER}[31mred"),
        ("left\u202eright", "left\N{REPLACEMENT CHARACTER}right"),
        ("x" * 100, "x" * 79 + "…"),
        ("日本語", "日本語"),
    ],
)
def test_plain(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("value", "unit", "unit_range", "places"),
    [(81.23, "%", False, 1), (12.3, "dB", False, 1), (0.5, "", True, 3), (123.4, "s", False, 0),
     (1.234, "s", False, 2), (0.0123, "s", False, 3), (0.0, "s", False, 2), (1e-9, "s", False, 6)],
)  # fmt: skip
def test_decimals(value: float, unit: str, unit_range: bool, places: int) -> None:
    assert decimals(value, unit, unit_range) == places


def test_fixed() -> None:
    assert fixed(-0.04, 1) == "0.0"
    assert fixed(-1.25, 1) == "\N{MINUS SIGN}1.2"
    assert fixed(1.25, 1, signed=True) == "+1.2"
    assert fixed(1e12, 1) == "1.00e+12"


def test_with_interval() -> None:
    assert with_interval(81.23, 1.1, 1) == "81.2 ± 1.1"
    assert with_interval(81.23, None, 1) == "81.2"


def test_count() -> None:
    assert [count(1, "seed"), count(2, "seed"), count(0, "entry", "entries")] == ["1 seed", "2 seeds", "0 entries"]
