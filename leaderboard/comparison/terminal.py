"""The comparison for a terminal: what fails first, then what improved, then one line of counts."""

from __future__ import annotations

from collections.abc import Sequence

import rich.table
from rich import box
from rich.text import Text

from fflbench.leaderboard.comparison.sentences import BENCHMARKS, CHANGES, broken_lines, change_cells, speed_cells
from fflbench.leaderboard.comparison.verdicts import Comparison

MOST_ROWS = 25
LONGEST_PLACE = 60


def comparison_tables(found: Comparison) -> list[rich.table.Table]:
    """Regressions, broken cells, slower benchmarks, improvements; what is empty is left out. Labels are text, no markup."""
    sections: list[tuple[str, Sequence[str], Sequence[Sequence[str]], str]] = [
        ("Regressions", CHANGES, [change_cells(change) for change in found.regressions], "red"),
        ("Broken: fine in the baseline, not any more", ("Cell", "What"), broken_lines(found), "red"),
        ("Benchmarks slower or missing", BENCHMARKS, [speed_cells(speed) for speed in found.slower], "red"),
        ("Improvements", CHANGES, [change_cells(change) for change in found.improvements], "green"),
    ]
    return [_table(title, headings, rows, style) for title, headings, rows, style in sections if rows]


def _table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], style: str) -> rich.table.Table:
    left_out = len(rows) - MOST_ROWS
    table = rich.table.Table(
        title=Text(title), title_justify="left", title_style=f"bold {style}", box=box.SIMPLE_HEAD, pad_edge=False,
        caption=Text(f"and {left_out} more: --markdown, --json and --junit have all") if left_out > 0 else None,
        caption_justify="left",
    )  # fmt: skip
    for position, heading in enumerate(headings):
        numeric = heading in ("Before", "After", "Difference", "Ratio", "Seeds")
        widest = LONGEST_PLACE if position == 0 else None
        table.add_column(heading, justify="right" if numeric else "left", max_width=widest, overflow="fold")
    for row in rows[:MOST_ROWS]:
        table.add_row(*(Text(cell) for cell in row))
    return table
