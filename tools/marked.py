"""Parts of a document that a tool writes, between two lines of comment."""

from __future__ import annotations

import sys
from pathlib import Path


def with_part(page: str, begin: str, end: str, part: str) -> str:
    """The page with that part between its marks."""
    before, rest = page.split(begin)
    return f"{before}{begin}\n{part}\n{end}{rest.split(end)[1]}"


def write_or_check(path: Path, wanted: str, tool: str) -> int:
    """Write a document; with `--check` on the command line say whether it is as wanted instead. Returns the exit code."""
    if "--check" not in sys.argv:
        path.write_text(wanted, encoding="utf-8")
        return 0
    stale = path.read_text(encoding="utf-8") != wanted
    if stale:
        print(f"{path} is not up to date: run python tools/{tool}")
    return int(stale)
