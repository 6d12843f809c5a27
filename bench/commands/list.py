"""`fflbench list`: names and one line each. Written without a library, as importing one would take most of the time."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import tomllib
from collections.abc import Iterator

from fflbench import registry
from fflbench.errors import UserError

KINDS = ("suites", *registry.KINDS)
BOLD, YELLOW, RED, PLAIN = "\033[1m", "\033[33m", "\033[31m", "\033[0m"
GAP = 2


def list_command(kinds: list[str]) -> None:
    coloured = sys.stdout.isatty() and os.name != "nt" and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    width = shutil.get_terminal_size().columns
    sections = ["\n".join(_section(kind, width, coloured)) for kind in kinds]
    print("\n\n".join([*sections, "`fflbench info NAME` shows one in full."]))


def _section(kind: str, width: int, coloured: bool) -> Iterator[str]:
    """A kind's lines: names on the left, what they are beside them, as wide as a terminal."""
    rows = _suites() if kind == "suites" else _plugins(kind)
    column = max((len(name) for name, _, _ in rows), default=0) + GAP
    yield kind
    for name, summary, colour in rows:
        first, *others = textwrap.wrap(summary, max(20, width - column), break_on_hyphens=False) or [""]
        yield _in(BOLD, name, coloured) + " " * (column - len(name)) + _in(colour, first, coloured)
        yield from (" " * column + _in(colour, line, coloured) for line in others)


def _in(colour: str, text: str, coloured: bool) -> str:
    return f"{colour}{text}{PLAIN}" if coloured and colour else text


def _plugins(kind: str) -> list[tuple[str, str, str]]:
    """Name, summary and colour of each."""
    rows = []
    for name, plugin in registry.plugins(kind).items():
        try:
            missing = plugin.missing()
            summary = plugin.summary()
            rows.append((name, f"{summary}. Unavailable: {missing}", YELLOW) if missing else (name, summary, ""))
        except UserError as error:
            rows.append((name, str(error), RED))
    return rows


def _suites() -> list[tuple[str, str, str]]:
    from importlib import resources

    rows = []
    for path in sorted((resources.files("fflbench") / "suites").iterdir(), key=lambda p: p.name):
        if path.name.endswith(".toml"):
            description = tomllib.loads(path.read_text(encoding="utf-8")).get("description", "")
            rows.append((path.name.removesuffix(".toml"), description, ""))
    return rows
