"""A suite from the first check to the last record."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fflbench.errors import UserError
from fflbench.federation.task import load_task
from fflbench.matching import incompatibility
from fflbench.records import RecordStore, Specification
from fflbench.rng import Rng
from fflbench.runner.cell import Cell, make_cell, results_folder, timestamp
from fflbench.runner.pool import Finished, Workers
from fflbench.runner.views import repeat_record, view_of
from fflbench.suite import Suite


@dataclass(frozen=True)
class Planned:
    """A cell and why it cannot run, if it cannot."""

    cell: Cell
    reason: str | None


@dataclass
class Settings:
    """How to run a suite. `limit` is in seconds a cell; `retry_failed` runs failed cells again."""

    jobs: int = 1
    device: str = "cpu"
    only: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    plugins: tuple[Path, ...] = ()
    limit: float | None = None
    retry_failed: bool = False


@dataclass
class Run:
    """A run in progress. `finished` grows as `go` is iterated."""

    planned: list[Planned]
    store: RecordStore
    settings: Settings
    finished: list[Finished] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def go(self) -> Iterator[Finished | None]:
        """Yields every cell as it is settled: first those with a record, then the incompatible ones, then those that run.
        None in between means that time has passed. Stopping the iteration stops the workers."""
        waiting: dict[str, list[Cell]] = defaultdict(list)
        for item in self.planned:
            known = self.store.read(item.cell.digest)
            if known and not (known.status == "failed" and self.settings.retry_failed):
                yield self._settle(Finished(item.cell, known, new=False))
            elif item.reason:
                record = item.cell.record("incompatible", timestamp(), error=item.reason)
                self.store.write(record)
                yield self._settle(Finished(item.cell, record))
            else:
                waiting[view_of(item.cell)].append(item.cell)
        if not waiting:
            return
        leaders = [cells[0] for cells in waiting.values()]
        followers = {cells[0].digest: cells[1:] for cells in waiting.values()}
        jobs = min(self.settings.jobs, len(leaders))
        with Workers(jobs, self.store, self.settings.plugins, self.settings.limit) as workers:
            for news in workers.run(leaders):
                if news is None:
                    yield None
                    continue
                yield self._settle(news)
                for cell in followers[news.cell.digest]:
                    yield self._settle(Finished(cell, repeat_record(news.record, cell, self.store)))

    def _settle(self, item: Finished) -> Finished:
        self.finished.append(item)
        return item


def plan(suite: Suite, settings: Settings) -> list[Planned]:
    """Every chosen cell with its digest and, where it cannot run, the reason. Loads each task's data once and checks its
    model; raises `UserError` or `DataError` when a task cannot run at all."""
    specs = suite.cells(settings.only, settings.seeds)
    _check_tasks(specs)
    planned = []
    for spec in specs:
        reason = incompatibility(spec, load_task(spec.task).view)
        planned.append(Planned(make_cell(spec, suite.source, settings.device), reason))
    return planned


def start(suite: Suite, results: Path, settings: Settings) -> Run:
    """Check everything, open the results folder, and return the run; nothing has run yet."""
    return Run(plan(suite, settings), results_folder(results), settings)


def check_device(device: str) -> str:
    """Raises `UserError` unless torch can use the device."""
    import torch

    try:
        torch.ones(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(f"--device: found {device!r}, which torch cannot use here: {str(error).splitlines()[0]}") from None
    return device


def _check_tasks(specs: list[Specification]) -> None:
    for task_spec in {spec.task.label: spec.task for spec in specs}.values():
        task = load_task(task_spec)
        task.check_model(task.build_model(Rng(0).at("initial-model")))
