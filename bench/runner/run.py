"""A suite from the first check to the last record: hands out cells, hears what became of them, and shares a results folder
with other runs."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fflbench.errors import UserError
from fflbench.execution import all_of
from fflbench.records import Record, RecordStore, Status, is_full, write_atomically
from fflbench.runner.backend import Backend, Ended
from fflbench.runner.cell import Cell, last_lines, timestamp
from fflbench.runner.cost import costs
from fflbench.runner.local import LocalWorkers
from fflbench.runner.options import Settings
from fflbench.runner.plan import Planned, plan
from fflbench.runner.presence import Presence
from fflbench.runner.resources import at_once, free_memory
from fflbench.runner.settled import Finished, Group
from fflbench.runner.stale import stale_records
from fflbench.runner.views import repeat_record, view_of
from fflbench.suite import Suite

POLL = 0.5
"""Seconds between two looks at everything, when nothing happens."""

AHEAD = 64
"""Cells that are looked at for one that fits when the next in turn does not."""


@dataclass
class Run:
    """A run in progress. `finished` grows as `go` is iterated; `notices` are lines that the user should see; `shared` counts
    the cells that another run computed meanwhile."""

    suite: str
    planned: list[Planned]
    store: RecordStore
    settings: Settings
    notices: list[str] = field(default_factory=list)
    finished: list[Finished] = field(default_factory=list)
    counts: Counter[Status] = field(default_factory=Counter)
    computed: int = 0
    shared: int = 0
    stopped_early: bool = False
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._presence = Presence(self.store.folder)
        self._ready: deque[Group] = deque()
        self._running: dict[str, Group] = {}
        self._elsewhere: dict[str, Group] = {}
        self._failed_before: set[str] = set()
        self._next_look = 0.0
        self._workers = self.settings.jobs or 0
        self._began = time.time()

    @property
    def running(self) -> dict[str, str]:
        """The names of the cells that run now, by digest."""
        return {group.cells[0].digest: group.cells[0].specification.name for group in self._running.values()}

    @property
    def at_once(self) -> int:
        """Cells that may run at the same time on this machine."""
        needs, devices = (item.needs for item in self.planned), all_of(self.settings.execution.device)
        return at_once(self.settings.jobs or 1, needs, devices)

    def seconds_left(self) -> float | None:
        """An estimate from the rate so far; None before the first computed cell."""
        if not self.computed:
            return None
        return (time.monotonic() - self.started) / self.computed * (len(self.planned) - len(self.finished))

    def go(self) -> Generator[Finished | None, None, None]:
        """Yields every cell as it is settled: first those with a record, then the incompatible ones, then those that run.
        None in between means that time has passed. Stopping the iteration stops the workers."""
        with ExitStack() as stack:
            stack.callback(lambda: self._presence.leave(self._news()))
            stack.callback(self.store.drop_reserve)
            self._presence.beat(self._news, now=True)
            yield from self._settle_known()
            if not self._open_groups():
                return
            if self.settings.ray is None:
                self._check_memory()
                self.notices += costs(self._waiting(), self.at_once)
                yield None
            self._make_room()
            stack.callback(self._leave_claims)
            backend = self._backend()
            stack.callback(backend.close)
            self._workers = backend.workers
            yield from self._compute(backend)

    def _compute(self, backend: Backend) -> Iterator[Finished | None]:
        while self._open_groups():
            yield from self._start(backend)
            ended = backend.wait(POLL) if self._running else []
            for item in ended:
                for finished in self._settle(item):
                    yield finished
                    self.stopped_early = self.settings.fail_fast and finished.status == "failed"
                    if self.stopped_early:
                        return
            yield from self._look_elsewhere()
            self._presence.beat(self._news)
            if not ended:
                yield None
                if not self._running:
                    time.sleep(POLL)

    def _check_memory(self) -> None:
        """Raises `UserError` when a cell that would run cannot fit, whatever runs beside it."""
        free = free_memory()
        digests = {cell.digest for cell in self._waiting()}
        largest = max(
            (item for item in self.planned if item.cell.digest in digests), key=lambda item: item.needs.memory or 0.0
        )
        if (largest.needs.memory or 0.0) > free:
            raise UserError(
                f"{largest.cell.specification.name}: needs about {largest.memory}; this machine has {free:.1f} GB free. Use "
                "fewer peers, less participation or another machine, or give the task `resources = { memory = GB }` if you "
                "know better"
            )

    def _waiting(self) -> list[Cell]:
        """The cells that are to be computed."""
        return [group.cells[0] for group in self._ready]

    def _jobs(self) -> int:
        """Workers on this machine: no more than there is work for."""
        return min(self.settings.jobs or 1, len(self._ready))

    def _open_groups(self) -> bool:
        return bool(self._running or self._elsewhere or self._ready)

    def _backend(self) -> Backend:
        settings = self.settings
        if settings.ray:
            from fflbench.runner.cluster import RayCluster

            return RayCluster(settings.ray, self.store, settings.plugins, settings.limits, settings.checkpoint,
                              settings.execution, settings.jobs, self.notices.append)  # fmt: skip
        return LocalWorkers(self._jobs(), self.store, settings.plugins, settings.limits, settings.checkpoint,
                            settings.execution.device, free_memory())  # fmt: skip

    # ------------------------------------------------------------------------------------------ what is there already

    def _settle_known(self) -> Iterator[Finished]:
        """Cells with a record, and those that cannot run; what is left is ready, in groups."""
        groups: dict[str, Group] = {}
        seen: dict[str, str] = {}
        for item in self.planned:
            cell = item.cell
            known = self._known(cell)
            if known is not None:
                yield self._add(cell, known, new=False)
                if known.status != "failed":
                    seen.setdefault(view_of(cell), cell.digest)
            elif item.reason:
                record = cell.record("incompatible", timestamp(), error=item.reason)
                self.store.write(record)
                yield self._add(cell, record)
            else:
                view = view_of(cell)
                groups.setdefault(view, Group(view, [], item.needs)).cells.append(cell)
        for view, group in groups.items():
            if view in seen and (settled := self._repeated(seen[view], group)):
                yield from settled
            else:
                self._ready.append(group)

    def _known(self, cell: Cell) -> Record | None:
        """The record of a cell that need not run; None also for one that failed, if failed cells are to run again."""
        try:
            record = self.store.read(cell.digest)
        except UserError as error:
            self.notices.append(f"{error}; its cell runs again")
            return None
        if record is not None and record.status == "failed" and self.settings.retry_failed:
            self._failed_before.add(cell.digest)
            return None
        return record

    def _repeated(self, source: str, group: Group) -> list[Finished]:
        """The cells of a group settled by a record of the same view; none when that cannot be read any more."""
        try:
            record = self.store.read(source)
            return [self._add(cell, repeat_record(record, cell, self.store)) for cell in group.cells] if record else []
        except UserError:
            return []

    # ---------------------------------------------------------------------------------------------------- computing

    def _start(self, backend: Backend) -> Iterator[Finished]:
        """Start what fits, if it is ours and there is disk for what comes out of it."""
        if not self._room_on_disk():
            return
        passed: list[Group] = []
        while self._ready and len(passed) < AHEAD:
            group = self._ready.popleft()
            if not backend.fits(group.needs):
                passed.append(group)
                continue
            ours = self._claim(group)
            if ours is None:
                passed.append(group)
                break
            if not ours:
                self._elsewhere[group.view] = group
            elif found := self._found_meanwhile(group):
                yield from found
            else:
                self._running[group.cells[0].digest] = group
                others = len(self._running) + len(self._ready) + len(passed) - 1
                backend.start(self._widened(group, others), group.needs)
        self._ready.extendleft(reversed(passed))

    def _widened(self, group: Group, others: int) -> Cell:
        """Its first cell with the cores that no other cell is there for, as far as memory is sure to hold so many peers."""
        cell, jobs = group.cells[0], 1 if self.settings.ray else self.settings.jobs or 1
        abreast = jobs // min(jobs, others + 1)
        if group.needs.memory:
            room = min(self.settings.limits.memory or math.inf, free_memory())
            abreast = int(min(abreast, room // group.needs.memory))
        return replace(cell, execution=replace(cell.execution, abreast=max(1, abreast)))

    def _claim(self, group: Group) -> bool | None:
        """Whether a cell is ours to compute now; None while the disk is too full to say so and others are to be finished."""
        try:
            return self._presence.claim(group.view)
        except OSError as error:
            if is_full(error):
                self._no_room()
                return None
            raise UserError(f"results folder {self.store.folder}: cannot be written to ({error.strerror})") from None

    def _found_meanwhile(self, group: Group) -> list[Finished]:
        """A group settled by another run between our first look and our claim."""
        lead = group.cells[0]
        try:
            record = self.store.read(lead.digest)
        except UserError:
            return []
        if record is None or lead.digest in self._failed_before:
            return []
        self._presence.release(group.view)
        self.shared += len(group.cells)
        return self._settle_group(group, record, new=False)

    def _settle(self, item: Ended) -> list[Finished]:
        group = self._running.pop(item.cell.digest)
        record = item.record
        if record is None:
            output = last_lines(self.store, item.cell.digest)
            record = item.cell.record("failed", timestamp(), error=item.error, output=output)
            self.store.write(record)
        self.computed += 1
        settled = self._settle_group(group, record, new=True)
        self._presence.release(group.view)
        return settled

    def _settle_group(self, group: Group, record: Record, new: bool) -> list[Finished]:
        followers = [self._add(cell, repeat_record(record, cell, self.store), new) for cell in group.cells[1:]]
        return [self._add(group.cells[0], record, new), *followers]

    def _add(self, cell: Cell, record: Record, new: bool = True) -> Finished:
        item = Finished(cell, record.status, record.error, record.metrics, sum(record.seconds.values()), new)
        self.finished.append(item)
        self.counts[item.status] += 1
        return item

    # --------------------------------------------------------------------------------------------------- other runs

    def _look_elsewhere(self) -> Iterator[Finished]:
        """What other runs have claimed: settled when its record is there, ours when they left it."""
        if not self._elsewhere or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + 2 * POLL
        for group in list(self._elsewhere.values()):
            if self._presence.owner(group.view) is not None and not self._claim(group):
                continue
            del self._elsewhere[group.view]
            found = self._found_meanwhile(group)
            if found:
                yield from found
            else:
                self._ready.appendleft(group)

    def _leave_claims(self) -> None:
        for group in self._running.values():
            self._presence.release(group.view)

    def _news(self) -> dict[str, Any]:
        left = self.seconds_left()
        return {
            "suite": self.suite, "cells": len(self.planned), "done": len(self.finished), "counts": dict(self.counts),
            "computed": self.computed, "jobs": self._workers, "started": self._began, "left_s": left,
            "running": self.running,
            "elsewhere": len(self._elsewhere),
        }  # fmt: skip

    # --------------------------------------------------------------------------------------------------------- disk

    def _make_room(self) -> None:
        if not self.store.refill_reserve(self.settings.reserve):
            raise UserError(f"results folder {self.store.folder}: the disk is full; "
                            f"needs {self.settings.reserve // 2**20} MiB to start")  # fmt: skip

    def _room_on_disk(self) -> bool:
        """Whether new cells may start. Once the reserve was needed, the running ones are finished, no others begun, until
        there is room again."""
        if self.store.refill_reserve(self.settings.reserve):
            return True
        self._no_room()
        return False

    def _no_room(self) -> None:
        """Raises `UserError` unless there are cells to be finished first."""
        if not self._running:
            raise UserError(f"results folder {self.store.folder}: cannot be written to (the disk is full); what is finished "
                            "is kept: make room and run the same command again")  # fmt: skip


def start(suite: Suite, results: Path, settings: Settings) -> Run:
    """Check everything, open the results folder, and return the run; nothing has run yet."""
    planned = plan(suite, settings.only, settings.seeds, settings.execution)
    store = results_folder(results)
    stale = stale_records(store, planned)
    notices = [f"{count} records here are of these cells but of {why}: kept, not used" for why, count in stale.items()]
    return Run(suite.name, planned, store, settings, notices)


def results_folder(path: Path) -> RecordStore:
    """The store in a folder. Raises `UserError` when it cannot be written to."""
    try:
        (path / "records").mkdir(parents=True, exist_ok=True)
        write_atomically(path / "records" / ".writable", b"")
    except OSError as error:
        raise UserError(f"results folder {path}: cannot be written to ({error.strerror})") from None
    (path / "records" / ".writable").unlink(missing_ok=True)
    return RecordStore(path)
