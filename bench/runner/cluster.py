"""A Ray cluster as the place where cells run: Ray finds the node, the driver keeps what comes back and tries again what was
lost."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fflbench import __version__
from fflbench.errors import UserError
from fflbench.execution import Execution
from fflbench.records import Record, RecordStore
from fflbench.runner.backend import Ended
from fflbench.runner.cell import Cell
from fflbench.runner.connection import connect
from fflbench.runner.demand import demand, in_words, room
from fflbench.runner.local import Limits
from fflbench.runner.node import Board, Outcome, attend_here
from fflbench.runner.parcel import Parcel
from fflbench.runner.worker import CHANGED, Order
from fflbench.settings import Resources

LOSSES = 5
"""How often a cell starts again because its node was lost."""

DEATHS = 1
"""How often a cell starts again because its process died on a node that lives: it may have been its neighbours' fault."""

SPARE = 8
"""Cells handed to Ray beyond twice what runs at once, so that a cluster that grows on demand sees some from nothing."""

LOOK = 0.5
"""Seconds between two looks at the board."""

COUNT = 2.0
"""Seconds between two counts of the cluster's resources."""

STUCK = 60.0
"""Seconds without a cell that begins after which the user should hear of it."""


@dataclass
class _Job:
    cell: Cell
    needs: Resources
    node: str = ""
    losses: int = 0
    deaths: int = 0


class RayCluster:
    """Hands cells to Ray, up to `jobs` at once if given, and gathers their records into the results folder. `notice` hears
    what the user should."""

    def __init__(
        self, address: str, store: RecordStore, plugins: tuple[Path, ...], limits: Limits, checkpoint: float,
        execution: Execution, jobs: int | None, notice: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._ray = ray = connect(address, jobs or os.cpu_count() or 1)
        self._store, self._limits, self._checkpoint, self._execution = store, limits, checkpoint, execution
        self._bound, self._notice = jobs, notice
        self._parcel = ray.put(Parcel.of(plugins))
        strategies = importlib.import_module("ray.util.scheduling_strategies")
        here = strategies.NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        board = ray.remote(num_cpus=0, max_restarts=-1, scheduling_strategy=here)(Board)
        self._board, self._poll, self._next_look = board.remote(), None, 0.0
        self._task = ray.remote(max_retries=0)(attend_here)
        self._jobs: dict[Any, _Job] = {}
        self._total: dict[str, float] = {}
        self._next_count = 0.0
        self._heard: float | None = time.monotonic()

    @property
    def workers(self) -> int:
        return min(room(self._resources(), {"num_cpus": self._execution.threads}), self._bound or sys.maxsize)

    def fits(self, needs: Resources) -> bool:
        most = 2 * room(self._resources(), demand(needs, self._execution)) + SPARE
        return len(self._jobs) < min(most, self._bound or most)

    def start(self, cell: Cell, needs: Resources) -> None:
        self._submit(_Job(cell, needs))

    def wait(self, seconds: float) -> list[Ended]:
        deadline = time.monotonic() + seconds
        while True:
            self._look()
            left = max(0.0, min(LOOK, deadline - time.monotonic()))
            ready, _ = self._ray.wait(list(self._jobs), num_returns=1, timeout=left)
            if ready:
                ready, _ = self._ray.wait(list(self._jobs), num_returns=len(self._jobs), timeout=0)
            ended = [item for reference in ready if (item := self._end(reference))]
            if ended or time.monotonic() >= deadline or not self._jobs:
                return ended

    def close(self) -> None:
        """Cells that run are asked to stop, so that they can clean up, then left to Ray, which ends their processes."""
        with suppress(self._ray.exceptions.RayError):
            for reference in self._jobs:
                self._ray.cancel(reference, force=False)
            if self._jobs:
                self._ray.wait(list(self._jobs), num_returns=len(self._jobs), timeout=3)
        self._jobs = {}
        self._ray.shutdown()

    def _resources(self) -> dict[str, float]:
        """Of all nodes together; nodes come and go."""
        if time.monotonic() >= self._next_count:
            self._total, self._next_count = self._ray.cluster_resources(), time.monotonic() + COUNT
        return self._total

    def _submit(self, job: _Job) -> None:
        cell, job.node = job.cell, ""
        if self._execution.device.startswith("cuda"):
            # The process sees only the GPU that Ray chose for it.
            cell = replace(cell, execution=replace(cell.execution, device="cuda:0"))
        order = Order(cell, job.cell.digest, Path(), (), self._checkpoint).to_json()
        state = None
        with suppress(OSError):
            state = self._store.checkpoint(job.cell.digest).read_bytes()
        task = self._task.options(name=job.cell.specification.name, **demand(job.needs, self._execution))
        self._jobs[task.remote(order, job.needs, self._parcel, self._limits, state, self._board)] = job

    # ------------------------------------------------------------------------------------------------ what ended

    def _end(self, reference: Any) -> Ended | None:
        """What became of a cell; None if it starts again."""
        job, errors = self._jobs.pop(reference), self._ray.exceptions
        self._heard = None
        try:
            outcome: Outcome = self._ray.get(reference)
        except errors.RayTaskError as error:
            raise UserError(f"--ray: a node could not begin a cell: {str(error).strip().splitlines()[-1][:300]}; every node "
                            f"needs fflbench {__version__} and the libraries of this machine") from None  # fmt: skip
        except errors.RayError as error:
            return self._without_outcome(job, error)
        if outcome.died and job.deaths < DEATHS:
            job.deaths += 1
            self._submit(job)
            return None
        return self._gathered(job, outcome)

    def _gathered(self, job: _Job, outcome: Outcome) -> Ended:
        """What came back, kept: pictures and log first, the record last. Raises `UserError` when a node is not like us."""
        record = Record.model_validate_json(outcome.record) if outcome.record else None
        trouble = outcome.trouble or (record.error if record and record.error.startswith(CHANGED) else "")
        if trouble:
            same = " and is not the same on that node" if trouble.startswith(CHANGED) else ""
            raise UserError(f"--ray: node {outcome.node}: {trouble}{same}; the same command goes on once this is mended")
        for name, data in outcome.files:
            path = self._store.folder / name
            if path == self._store.log(job.cell.digest):
                path.parent.mkdir(parents=True, exist_ok=True)
                with suppress(OSError), path.open("ab") as file:
                    file.write(data)
            else:
                self._store.write_file(path, data)
        if record:
            self._store.write(record)
            self._store.checkpoint(job.cell.digest).unlink(missing_ok=True)
        return self._ended(job, record, outcome.error)

    def _without_outcome(self, job: _Job, error: Exception) -> Ended | None:
        """A task that did not come back: because its node went, or because its process did."""
        errors, name = self._ray.exceptions, job.cell.specification.name
        died = isinstance(error, (errors.WorkerCrashedError, errors.OutOfMemoryError)) and self._lives(job.node)
        if died:
            job.deaths += 1
            reason = "out of memory" if isinstance(error, errors.OutOfMemoryError) else "killed?"
            if job.deaths > DEATHS:
                return self._ended(job, None, f"its process on the node died ({reason})")
        else:
            job.losses += 1
            if job.losses > LOSSES:
                return self._ended(job, None, f"its node was lost {job.losses} times ({type(error).__name__})")
            self._notice(f"lost the node that ran {name}: the cell starts again, from its last checkpoint if it has one")
        self._submit(job)
        return None

    def _lives(self, node: str) -> bool:
        return any(known["NodeID"] == node and known["Alive"] for known in self._ray.nodes())

    def _ended(self, job: _Job, record: Record | None, error: str) -> Ended:
        self._store.note(job.cell.digest).unlink(missing_ok=True)
        return Ended(job.cell, record, error)

    # ------------------------------------------------------------------------------------------------ how far it is

    def _look(self) -> None:
        """Take from the board what is new, without waiting for it, and write it where local workers would."""
        now = time.monotonic()
        if self._poll is not None and self._ray.wait([self._poll], timeout=0)[0]:
            with suppress(self._ray.exceptions.RayError):
                notes, states = self._ray.get(self._poll)
                self._write(notes, states)
            self._poll = None
        if self._poll is None and now >= self._next_look:
            self._poll, self._next_look = self._board.take.remote(), now + LOOK
        if self._heard is not None and self._jobs and now - self._heard > STUCK:
            asked = in_words(demand(next(iter(self._jobs.values())).needs, self._execution))
            self._notice(f"no cell has begun for {STUCK:.0f} s: each needs {asked} of one node; see `ray status`")
            self._heard = None

    def _write(self, notes: dict[str, dict[str, Any]], states: dict[str, bytes]) -> None:
        jobs = {job.cell.digest: job for job in self._jobs.values()}
        for digest, note in notes.items():
            if digest in jobs:
                self._heard, jobs[digest].node = None, note["node"]
                with suppress(OSError):
                    self._store.note(digest).parent.mkdir(parents=True, exist_ok=True)
                    self._store.note(digest).write_text(json.dumps(note))
        for digest, state in states.items():
            if digest in jobs:
                with suppress(UserError):  # No checkpoint must cost a cell.
                    self._store.write_file(self._store.checkpoint(digest), state)
