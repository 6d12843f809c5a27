"""`leaderboard.csv`: one line for each task, defense, attack and metric."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from fflbench.leaderboard.board import Board, Entry
from fflbench.leaderboard.measures import Measure

FIELDS = (
    "track", "task", "defense", "attack", "metric", "unit", "better", "mean", "low", "high", "seeds", "asked",
    "status", "note", "threat", "rank", "difference", "difference_low", "difference_high", "difference_seeds", "reference",
    "pareto",
)  # fmt: skip
ALL_ATTACKS = "(all)"
ALL_TASKS = "(all)"
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def spreadsheet(board: Board) -> str:
    """The whole board in long format."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n", restval="")
    writer.writeheader()
    for line in _lines(board):
        writer.writerow({name: _safe(value) for name, value in line.items()})
    return text.getvalue()


def _safe(value: object) -> object:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front; numbers stay numbers."""
    risky = isinstance(value, str) and value.startswith(FORMULA_STARTS) and not _numeric(value)
    return f"'{value}" if risky else value


def _numeric(text: str) -> bool:
    return re.fullmatch(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?", text, re.ASCII) is not None


def _lines(board: Board) -> Iterator[dict[str, object]]:
    measures = {name: measure for task in board.tasks for name, measure in task.measures.items()}
    for joint in board.joint:
        for key, entry in joint.entries.items():
            if key in measures:
                head = {"track": "joint", "task": ALL_TASKS, "defense": joint.defense, "attack": ALL_ATTACKS}
                yield {**head, **_numbers(entry, measures[key], board), "pareto": "yes" if joint.pareto else "no"}
    for task in board.tasks:
        for row in task.rows:
            head = {"track": task.track, "task": task.label, "defense": row.defense}
            deciding = {threat.ranked_by: row.ranks[threat.name] for threat in task.threats if threat.name in row.ranks}
            for key, entry in row.totals.items():
                rank = deciding[key].position if key in deciding else None
                over = {"attack": ALL_ATTACKS, "threat": task.threat_of_total(key), "rank": rank}
                yield {**head, **over, **_numbers(entry, task.measures[key], board)}
            for line in task.attacks:
                for name, entry in row.attacks[line.label].items():
                    one = {"attack": line.label, "threat": line.threat}
                    yield {**head, **one, **_numbers(entry, task.measures[name], board)}


def _numbers(entry: Entry, measure: Measure, board: Board) -> dict[str, object]:
    gap = entry.difference
    found: dict[str, object] = {
        "metric": measure.name,
        "unit": measure.unit,
        "better": measure.better,
        "mean": entry.mean,
        "low": entry.low,
        "high": entry.high,
        "seeds": entry.seeds,
        "asked": entry.asked,
        "status": entry.status,
        "note": entry.note,
        "reference": board.reference,
    }
    if gap is not None:
        found |= {
            "difference": gap.mean,
            "difference_low": gap.low,
            "difference_high": gap.high,
            "difference_seeds": gap.seeds,
        }
    return found
