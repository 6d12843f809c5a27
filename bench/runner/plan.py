"""What would run: every chosen cell of a suite, and the reason where one cannot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fflbench.execution import FULL, Execution
from fflbench.federation.task import load_task
from fflbench.matching import incompatibility
from fflbench.records import Specification
from fflbench.rng import Rng
from fflbench.runner.cell import Cell, make_cell
from fflbench.settings import Resources
from fflbench.suite import Suite


@dataclass(frozen=True)
class Planned:
    """A cell, what it takes of a machine, and why it cannot run, if it cannot."""

    cell: Cell
    needs: Resources
    reason: str | None


def plan(
    suite: Suite, only: tuple[str, ...] = (), seeds: tuple[int, ...] = (), execution: Execution = FULL
) -> list[Planned]:
    """Every chosen cell with its digest and, where it cannot run, the reason. Loads each task's data once and checks its
    model; raises `UserError` or `DataError` when a task cannot run at all."""
    specs = suite.cells(only, seeds)
    _check_tasks(specs)
    return list(_planned(suite, specs, execution))


def _planned(suite: Suite, specs: list[Specification], execution: Execution) -> Iterator[Planned]:
    reasons: dict[tuple[str, ...], str | None] = {}
    for spec in specs:
        who = (spec.track, spec.task.label, spec.attack.label, spec.defense.label)  # A seed draws numbers, never shapes.
        if who not in reasons:
            reasons[who] = incompatibility(spec, load_task(spec.task).view)
        yield Planned(make_cell(spec, suite.source, execution), suite.resources(spec.task), reasons[who])


def _check_tasks(specs: list[Specification]) -> None:
    for task_spec in {spec.task.label: spec.task for spec in specs}.values():
        task = load_task(task_spec)
        task.check_model(task.build_model(Rng(0).at("initial-model")))
