"""`leaderboard.html`: one offline file with everything inlined.

Results are data from strangers: Jinja escapes every value, the content security policy lets only this page's own script
run and nothing be fetched, and pictures are embedded only when they are what their record says.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup

from fflbench.leaderboard.board import Board, TaskBoard
from fflbench.leaderboard.curves import Panel, panels
from fflbench.leaderboard.drilldown import Detail, details
from fflbench.leaderboard.explain import reading_notes
from fflbench.leaderboard.gallery import Pictures, Wall, walls
from fflbench.leaderboard.results import Results, Task
from fflbench.leaderboard.tradeoff import tradeoff
from fflbench.leaderboard.views import Table, joint_table, task_tables
from fflbench.leaderboard.wording import count

TEMPLATES = Path(__file__).parent / "page"
COLOURS = 8
DASHES = 3


@dataclass(frozen=True)
class Section:
    """One task on the page."""

    board: TaskBoard
    tables: tuple[Table, ...]
    panels: tuple[Panel, ...]
    walls: tuple[Wall, ...]
    details: tuple[Detail, ...]


def page(board: Board, results: Results, files: dict[str, str]) -> str:
    """The page; `files` are downloads by name (the JSON is in the page already)."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    script, style = (Markup((TEMPLATES / name).read_text(encoding="utf-8")) for name in ("script.js", "style.css"))
    pictures = Pictures(results.folder)
    sections = [_section(task, row, results, pictures) for task, row in zip(results.tasks, board.tasks, strict=True)]
    return environment.get_template("template.html").render(
        board=board,
        facts=_facts(board),
        joint=joint_table(board),
        plot=tradeoff(board),
        sections=sections,
        notes=reading_notes(board),
        looks=looks([row.defense for row in board.joint]),
        script=script,
        style=style,
        policy=_policy(script),
        data=embedded_json(board),
        downloads={name: _data_uri(name, text) for name, text in files.items()},
    )


def _section(task: Task, board: TaskBoard, results: Results, pictures: Pictures) -> Section:
    order = [row.defense for row in board.rows]
    return Section(
        board=board,
        tables=tuple(task_tables(board)),
        panels=tuple(panels(task)),
        walls=tuple(walls(results, task, order, pictures)),
        details=tuple(details(task, board)),
    )


def _facts(board: Board) -> list[str]:
    attacks = {attack.label for task in board.tasks for attack in task.attacks if not attack.clean}
    seeds = max(len(task.seeds) for task in board.tasks)
    return [
        count(len(board.tasks), "task"),
        count(len(attacks), "attack"),
        count(len(board.joint), "defense"),
        count(seeds, "seed"),
        count(board.records, "record"),
    ]


def looks(defenses: list[str]) -> dict[str, str]:
    """A colour and a dash for each defense, by name, so that it looks the same when numbers change."""
    return {
        name: f"c{position % COLOURS} d{(position // (COLOURS // 2)) % DASHES}"
        for position, name in enumerate(sorted(defenses))
    }


def embedded_json(board: Board) -> Markup:
    """The board as JSON that cannot end its script element."""
    text = json.dumps(board.model_dump(mode="json"), separators=(",", ":"), allow_nan=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _data_uri(name: str, text: str) -> str:
    kind = {"csv": "text/csv", "md": "text/markdown"}[name.rpartition(".")[2]]
    return f"data:{kind};charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}"
