"""What would run: every chosen cell of a suite, and the reason where one cannot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fflbench.errors import UnfitError
from fflbench.execution import FULL, Execution
from fflbench.federation.memory import estimate
from fflbench.federation.task import load_task
from fflbench.matching import incompatibility
from fflbench.records import Specification
from fflbench.rng import Rng
from fflbench.runner.cell import Cell, make_cell
from fflbench.settings import Resources
from fflbench.shortening import as_run
from fflbench.suite import Suite


@dataclass(frozen=True)
class Planned:
    """A cell, what it takes of a machine (and how that comes about), and why it cannot run, if it cannot."""

    cell: Cell
    needs: Resources
    memory: str
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
    known: dict[tuple[str, str, str], tuple[Resources, str, str | None]] = {}
    for spec in specs:
        pairing = (spec.task.title, spec.attack.label, spec.defense.label)
        if pairing not in known:  # Seeds make no difference.
            known[pairing] = _weighed(suite, as_run(spec))
        yield Planned(make_cell(spec, suite.source, execution), *known[pairing])


def _weighed(suite: Suite, spec: Specification) -> tuple[Resources, str, str | None]:
    """What a cell takes, in numbers and in words, and why it cannot run, if it cannot."""
    task, declared = load_task(spec.task), suite.resources(spec.task)
    reason = incompatibility(spec, task.view)
    if reason or declared.memory is not None:
        return declared, f"{declared.memory:g} GB: as the suite says" if declared.memory else "", reason
    try:
        found = estimate(spec, task)
    except UnfitError as error:
        return declared, "", str(error)
    return declared.model_copy(update={"memory": found.total / 1e9}), str(found), None


def _check_tasks(specs: list[Specification]) -> None:
    for task_spec in {spec.task.title: spec.task for spec in specs}.values():
        task = load_task(task_spec)
        task.check_model(task.build_model(Rng(0).at("initial-model")))
