"""`leaderboard.md`: the tables for reading in a repository."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fflbench.leaderboard.board import Board
from fflbench.leaderboard.explain import reading_notes
from fflbench.leaderboard.overview import joint_table, standing_tables
from fflbench.leaderboard.table import Cell, Table
from fflbench.leaderboard.task_tables import task_tables
from fflbench.leaderboard.wording import count


def markdown(board: Board) -> str:
    """The whole leaderboard as Markdown."""
    suites = ", ".join(board.suites) or "no suite named"
    blocks = ["# fflbench leaderboard", f"{escaped(suites)}: {count(board.records, 'record')}."]
    blocks += _block(joint_table(board), 2)
    for table in standing_tables(board):
        blocks += _block(table, 2)
    for task in board.tasks:
        blocks.append(f"## {task.track.capitalize()}: {escaped(task.label)}")
        if task.setting:
            blocks.append("; ".join(f"{name}: {escaped(text)}" for name, text in task.setting.items()) + ".")
        for table in task_tables(task):
            blocks += _block(table, 3)
    blocks.append("## How to read this")
    blocks.append("\n".join(f"- {escaped(note)}" for note in reading_notes(board)))
    if board.problems:
        blocks.append("## Remarks")
        blocks.append("\n".join(f"- {escaped(line)}" for line in board.problems))
    return "\n\n".join(blocks) + "\n"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, no table cells."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~#!$])", r"\\\1", text)


def _block(table: Table, level: int) -> list[str]:
    heading = f"{'#' * level} {escaped(table.caption)}"
    headings = ["Defense", *(f"{c.group}: {c.heading}" if c.group else c.heading for c in table.columns)]
    lines = [_row(escaped(text) for text in headings), _row(["---", *("---:" for _ in table.columns)])]
    for line in table.lines:
        name = f"*{escaped(line.head)}* ({escaped(line.note)})" if line.pinned else escaped(line.head)
        lines.append(_row([name, *(_cell(cell) for cell in line.cells)]))
    return [heading, "\n".join(lines), *([escaped(f"{table.note}.")] if table.note else [])]


def _cell(cell: Cell) -> str:
    return escaped(f"{cell.text} ({cell.small})" if cell.small else cell.text)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
