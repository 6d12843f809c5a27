"""Which cells are meant: patterns over the labels of task, attack and defense."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Sequence

from fflbench.errors import UserError
from fflbench.records import Specification


def selected(cells: Sequence[Specification], only: Sequence[str], option: str = "--only") -> list[Specification]:
    """The cells whose `task/attack/defense` matches one of the patterns (shell wildcards; left-out parts match everything);
    all of them without a pattern. Raises `UserError`, which names the option, when a pattern matches nothing."""
    for pattern in only:
        if not pattern.strip("/ ") or pattern.count("/") > 2:
            raise UserError(f"{option}: found {pattern!r}, needs TASK/ATTACK/DEFENSE, of which parts may be left out")
        if not any(_matches(cell, pattern) for cell in cells):
            names = sorted({f"{c.task.label}/{c.attack.label}/{c.defense.label}" for c in cells})
            near = difflib.get_close_matches(pattern, names, n=2, cutoff=0.3) or names[:2]
            raise UserError(f"{option}: found {pattern!r}, which matches no cell; for example {', '.join(near)}")
    return [cell for cell in cells if not only or any(_matches(cell, pattern) for pattern in only)]


def _matches(cell: Specification, pattern: str) -> bool:
    wanted = [*pattern.split("/"), "*", "*"][:3]
    names = (cell.task.label, cell.attack.label, cell.defense.label)
    return all(name == part or fnmatch.fnmatchcase(name, part or "*") for name, part in zip(names, wanted, strict=True))
