"""JSON from strangers: what is not written plainly and once is refused, before anything is made of it."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from fflbench.errors import UserError

DEEPEST = 32
"""Lists and tables within each other."""
LARGEST_WHOLE = 2**63 - 1
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)  # Linear: a string that never ends is one token.


def strict_json(data: bytes, where: str) -> Any:
    """One JSON value in UTF-8 without repeated names, NaN, infinities, whole numbers of more than 64 bits, or nesting deeper
    than 32. Raises `UserError` that begins with `where`."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: is not UTF-8 at byte {error.start}, needs JSON in UTF-8") from None
    _check_depth(text, where)
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_not_a_number, parse_float=_finite, parse_int=_whole)
    except _RefusedError as error:
        raise UserError(f"{where}: {error}") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{where}: is not JSON at character {error.pos} ({error.msg})") from None


def canonical(value: object) -> bytes:
    """The one way in which we write JSON: sorted names, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


class _RefusedError(ValueError):
    """What is wrong with a value, in words."""


def _check_depth(text: str, where: str) -> None:
    depth = 0
    for token in _BRACKETS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth > DEEPEST:
            raise UserError(f"{where}: is nested deeper than {DEEPEST} levels")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _RefusedError(f"has the name {twice[:40]!r} twice, needs each once")
    return table


def _not_a_number(text: str) -> NoReturn:
    raise _RefusedError(f"holds {text}, needs finite numbers")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _RefusedError(f"holds the number {text[:20]}, needs finite numbers")
    return value


def _whole(text: str) -> int:
    if len(text) > 20 or abs(int(text)) > LARGEST_WHOLE:
        raise _RefusedError(f"holds the whole number {text[:20]}..., needs at most 64 bits")
    return int(text)
