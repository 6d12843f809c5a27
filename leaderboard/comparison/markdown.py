"""The comparison as a comment on a pull request: the verdict, what fails, and the rest folded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from fflbench.leaderboard.comparison.sentences import (
    BENCHMARKS,
    CHANGES,
    broken_lines,
    change_cells,
    counts,
    headline,
    speed_cells,
    visible_lines,
)
from fflbench.leaderboard.comparison.verdicts import Comparison
from fflbench.leaderboard.wording import MINUS, plain

LONGEST = 65_536
"""Characters that GitHub takes as a comment."""

ROOM = LONGEST - 2_500
"""What is left for rows beside titles and the lines that say what was left out."""

NUMBER = re.compile(rf"(p [<=] )?[+{MINUS}]?[0-9]+([.][0-9]+)?")
"""What a table shows as it is; everything else is shown as code."""

Section = tuple[str, Sequence[str], list[str], bool]
"""Title, headings, rows in Markdown, and whether it is folded."""


def comparison_markdown(found: Comparison) -> str:
    """At most `LONGEST` characters; the least important rows are left out, and it says how many."""
    blocks = [
        f"## {'✅' if found.passed else '❌'} fflbench: {headline(found)}",
        f"{code(found.results)} compared with {code(found.baseline)}. {counts(found)}.",
    ]
    room = ROOM - sum(map(len, blocks))
    for section in _sections(found):
        block, room = _block(section, room)
        blocks += block
    return "\n\n".join(blocks) + "\n"


def code(text: str, limit: int = 300) -> str:
    """Text from strangers as code: no markup, no HTML, no link, and nobody is mentioned."""
    shown = plain(text, limit).replace("`", "'").replace("\\", "/").replace("|", "\\|").strip()
    return f"`{shown}`" if shown else "-"


def _sections(found: Comparison) -> list[Section]:
    """The most important first; empty ones are left out."""
    noise = [change for change in found.changes if change.verdict == "within noise"]
    others = [speed for speed in found.speeds if speed not in found.slower]
    sections: list[Section] = [
        ("Regressions", CHANGES, _rows(map(change_cells, found.regressions)), False),
        ("Broken: fine in the baseline, not any more", ("Cell", "What"), _rows(broken_lines(found)), False),
        ("Benchmarks slower or missing", BENCHMARKS, _rows(map(speed_cells, found.slower)), False),
        ("Remarks", (), _lines(found.remarks), False),
        ("Improvements", CHANGES, _rows(map(change_cells, found.improvements)), True),
        ("Beyond the tolerance, but within the noise of the seeds", CHANGES, _rows(map(change_cells, noise)), True),
        ("Benchmarks", BENCHMARKS, _rows(map(speed_cells, others)), True),
        ("New cells", ("Cell",), _rows((cell.place,) for cell in found.having("new")), True),
        ("Unusable in both", ("Cell",), _rows((cell.place,) for cell in found.having("unusable in both")), True),
        ("What would have gone unseen", (), _lines(visible_lines(found)), True),
    ]
    return [section for section in sections if section[2]]


def _rows(table: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join([code(row[0]), *map(_cell, row[1:])])} |" for row in table]


def _cell(text: str) -> str:
    return text if NUMBER.fullmatch(text) else code(text)


def _lines(texts: Iterable[str]) -> list[str]:
    return [f"- {code(text, 500)}" for text in texts]


def _block(section: Section, room: int) -> tuple[list[str], int]:
    """The section as far as there is room, and the room that is left."""
    title, headings, rows, folded = section
    head = [f"| {' | '.join(headings)} |", f"|{'---|' * len(headings)}"] if headings else []
    name = f"{title} ({len(rows)})"
    before, after = ([f"<details><summary>{name}</summary>"], ["</details>"]) if folded else ([f"### {name}"], [])
    shown: list[str] = []
    for row in rows:
        if len(row) + 1 > room:
            break
        shown.append(row)
        room -= len(row) + 1
    missing = len(rows) - len(shown)
    tail = [f"{missing} more left out: too long for a comment. `--json` has all."] if missing else []
    return [*before, *(["\n".join([*head, *shown])] if shown else []), *tail, *after], room
