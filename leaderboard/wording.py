"""How numbers and other people's text are written, the same in every output."""

from __future__ import annotations

import math

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
MINUS = "\N{MINUS SIGN}"


def plain(text: str, limit: int = 80) -> str:
    """One line of printable text: no control characters, terminal escapes or changes of writing direction."""
    line = " ".join(text[: 4 * limit].split())
    line = "".join(letter if letter.isprintable() else REPLACEMENT for letter in line)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def decimals(value: float, unit: str = "", unit_range: bool = False) -> int:
    """How many decimals a value deserves: one for % and dB, three for scores from 0 to 1, else three digits (two of
    small values)."""
    if unit in ("%", "dB"):
        return 1
    if unit_range:
        return 3
    size = math.floor(math.log10(abs(value))) if value else 0
    return min(6, max(0, 2 - size) if size >= -1 else 1 - size)


def fixed(value: float, places: int, signed: bool = False) -> str:
    """A number with that many decimals; no `-0.0`, a real minus sign."""
    if abs(value) >= 1e9:
        return f"{value:.2e}"
    rounded = round(value, places) or 0.0
    sign = MINUS if rounded < 0 else "+" if signed and rounded > 0 else ""
    return f"{sign}{abs(rounded):.{places}f}"


def with_interval(mean: float, half_width: float | None, places: int, signed: bool = False) -> str:
    """`81.2 ± 1.1`, or `81.2` where one seed gives no interval."""
    text = fixed(mean, places, signed)
    return text if half_width is None else f"{text} ± {fixed(half_width, places)}"


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 seed`, `2 seeds`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
