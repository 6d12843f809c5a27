"""`leaderboard.html`: one offline file with everything inlined.

Results are data from strangers: Jinja escapes every value, the content security policy lets only this page's own script
run and nothing be fetched, and pictures are embedded only when they are what their record says.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from fflbench.leaderboard.board import Board, TaskBoard
from fflbench.leaderboard.bundles import Bundle, bundle, lean
from fflbench.leaderboard.curves import panels
from fflbench.leaderboard.drilldown import details
from fflbench.leaderboard.explain import reading_notes
from fflbench.leaderboard.gallery import Pictures, walls
from fflbench.leaderboard.overview import joint_table, standing_table
from fflbench.leaderboard.results import Results, Task
from fflbench.leaderboard.table import Table
from fflbench.leaderboard.task_tables import by_metric, summaries
from fflbench.leaderboard.tradeoff import VIEWS, tradeoff
from fflbench.leaderboard.wording import count, plain

TEMPLATES = Path(__file__).parent / "page"
SCRIPTS = ("bundles", "theme", "tables", "filter", "front", "cell", "curves", "gallery", "start")
COLOURS = 8
DASHES = 3
MOST_LINES = 8
"""Curves of more defenses than that are a tangle, so only the first are drawn strong until a reader chooses."""


@dataclass(frozen=True)
class Section:
    """One task on the page. `metrics` name what its heat map can show; the rest says what its bundle holds."""

    board: TaskBoard
    summaries: tuple[Table, ...]
    metrics: tuple[tuple[str, str], ...]
    curves: bool
    walls: tuple[str, ...]


class Page:
    """Writes the page of one board, template by template."""

    def __init__(self, board: Board, results: Results, downloads: Sequence[str] = ()) -> None:
        """`downloads` are the names of files that lie beside the page."""
        self._board, self._results, self._downloads = board, results, downloads
        self._looks = looks([row.defense for row in board.joint])
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        self._environment.globals.update(looks=self._looks, reference=board.reference)
        self._pictures = Pictures(results.folder)

    def html(self) -> str:
        """The whole page."""
        script = Markup(lean(script_text()))
        style = Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))
        fronts = self._fronts()
        made = [self._section(task, row) for task, row in zip(self._results.tasks, self._board.tasks, strict=True)]
        packed = [bundle("joint", fronts), *(one for _, one in made)]
        text = self._environment.get_template("template.html").render(
            board=self._board,
            facts=_facts(self._board),
            front=Markup(next(iter(fronts.values()))),
            choices=_choices(self._board),
            fronts=embedded([front.model_dump(include={"view", "attackers", "server"}) for front in self._board.fronts]),
            standings=[(one, standing_table(one)) for one in self._board.standings],
            sections=[section for section, _ in made],
            bundles=packed,
            downloads=self._downloads,
            notes=reading_notes(self._board),
            submissions=self._results.submissions,
            title=plain(self._results.title),
            script=script,
            style=style,
            policy=_policy(script),
        )
        return lean(text)

    def _render(self, name: str, **values: Any) -> str:
        return self._environment.get_template(name).render(**values)

    def _fronts(self) -> dict[str, str]:
        """The joint view under each choice of view and threats; one without a plot where nobody ran on both tracks."""
        fronts = self._board.fronts
        if not fronts:
            return {"front-0": self._render("front.html", plot=None, table_=joint_table(self._board), front=None)}
        return {
            f"front-{index}": self._render(
                "front.html", plot=tradeoff(self._board, front), table_=joint_table(self._board, front), front=front
            )
            for index, front in enumerate(fronts)
        }

    def _section(self, task: Task, board: TaskBoard) -> tuple[Section, Bundle]:
        order = [row.defense for row in board.rows]
        heat, drawn, shown = by_metric(board), panels(task), walls(self._results, task, order, self._pictures)
        parts = {f"heat-{measure.name}": self._render("heat.html", view=table) for measure, table in heat}
        if drawn:
            strong = {board.rows[0].defense, self._board.reference, *order[:MOST_LINES]}
            strong = strong if len(order) > MOST_LINES else set()
            parts["curves"] = self._render("curves.html", task=board, panels=drawn, strong=strong)
        parts |= {f"wall-{index}": self._render("wall.html", wall=wall) for index, wall in enumerate(shown)}
        parts |= {detail.anchor: self._render("cell.html", detail=detail) for detail in details(task, board)}
        metrics = tuple((measure.name, measure.heading) for measure, _ in heat)
        about = Section(board, tuple(summaries(board)), metrics, bool(drawn), tuple(wall.attack for wall in shown))
        return about, bundle(board.key, parts)


def script_text() -> str:
    """All of the page's script, one function around it."""
    parts = [(TEMPLATES / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]
    return f'"use strict";\n(() => {{\n{"".join(parts)}}})();\n'


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


def _choices(board: Board) -> list[tuple[str, str, dict[str, str]]]:
    """What a reader can choose of the joint view: name, heading and options. A choice needs two options."""
    found: list[tuple[str, str, dict[str, str]]] = [
        ("view", "Score", {front.view: VIEWS[front.view] for front in board.fronts}),
        ("attackers", "Attackers", {front.attackers: front.attackers for front in board.fronts}),
        ("server", "Server", {front.server: front.server for front in board.fronts}),
    ]
    return [choice for choice in found if len(choice[2]) > 1]


def looks(defenses: list[str]) -> dict[str, str]:
    """A colour and a dash for each defense, by name, so that it looks the same when numbers change."""
    return {
        name: f"c{position % COLOURS} d{(position // (COLOURS // 2)) % DASHES}"
        for position, name in enumerate(sorted(defenses))
    }


def embedded(value: object) -> Markup:
    """JSON that cannot end its script element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
