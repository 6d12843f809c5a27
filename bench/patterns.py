"""`--only TASK/ATTACK/DEFENSE`: which cells a pattern means."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable, Sequence

from fflbench.errors import UserError
from fflbench.records import Specification

Names = tuple[str, str, str]
"""The labels of a cell: task, attack, defense."""


def selected(cells: Sequence[Specification], only: Sequence[str], option: str = "--only") -> list[Specification]:
    """The cells that one of the patterns means; all of them without a pattern. Raises as `check_patterns`."""
    check_patterns(only, map(names_of, cells), option)
    return [cell for cell in cells if not only or any(matches(names_of(cell), pattern) for pattern in only)]


def names_of(cell: Specification) -> Names:
    return cell.task.label, cell.attack.label, cell.defense.label


def check_patterns(only: Iterable[str], cells: Iterable[Names], option: str = "--only") -> None:
    """Raises `UserError`, which names the option, when a pattern is malformed or matches none of the cells."""
    known = set(cells)
    for pattern in only:
        if not pattern.strip("/ ") or pattern.count("/") > 2:
            raise UserError(f"{option}: found {pattern!r}, needs TASK/ATTACK/DEFENSE, of which parts may be left out")
        if not any(matches(cell, pattern) for cell in known):
            names = sorted("/".join(cell) for cell in known)
            near = difflib.get_close_matches(pattern, names, n=2, cutoff=0.3) or names[:2]
            raise UserError(f"{option}: found {pattern!r}, which matches no cell; for example {', '.join(near)}")


def matches(cell: Names, pattern: str) -> bool:
    """Whether a cell is meant: shell wildcards; parts that are left out match everything.

    >>> matches(("clothes", "alie", "ffl"), "clothes/*/f*")
    True
    """
    wanted = [*pattern.split("/"), "*", "*"][:3]
    return all(name == part or fnmatch.fnmatchcase(name, part or "*") for name, part in zip(cell, wanted, strict=True))
