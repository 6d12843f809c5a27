"""Worker processes on this machine. Each has a pipe of its own, so that one that dies takes nobody with it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import psutil

from fflbench.errors import UserError
from fflbench.execution import all_of
from fflbench.records import Record, RecordStore
from fflbench.runner.backend import Ended
from fflbench.runner.cell import Cell
from fflbench.runner.nursery import nursery, thread_variables
from fflbench.runner.resources import GB, Machine
from fflbench.runner.worker import Order, serve
from fflbench.settings import Resources

LARGEST_LOG = 256 * 2**20
"""Bytes that a cell may print: beyond, something is wrong and the disk in danger."""

GRACE = 5.0
"""Seconds for a worker that has hung up to end by itself."""

LOOK = 0.2
"""Seconds between two looks at what the workers take."""


@dataclass(frozen=True)
class Limits:
    """What a cell may take before it is stopped: `seconds`, `memory` in GB; None for no limit."""

    seconds: float | None = None
    memory: float | None = None


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    cell: Cell | None = None
    needs: Resources | None = None
    device: str = ""
    began: float = 0.0
    stopped: str = ""

    def end(self) -> None:
        self.kill()
        self.pipe.close()

    def kill(self) -> None:
        _kill(_family(self.process.pid))
        self.process.join(10)


class LocalWorkers:
    """Up to `jobs` worker processes, started as they are needed, on one device or several GPUs."""

    def __init__(
        self, jobs: int, store: RecordStore, plugins: tuple[Path, ...], limits: Limits, checkpoint: float, device: str,
        memory: float,
    ) -> None:  # fmt: skip
        self.workers = jobs
        self._machine = Machine(jobs, memory, dict.fromkeys(all_of(device), 1.0))
        self._store, self._plugins, self._limits, self._checkpoint = store, plugins, limits, checkpoint
        self._context = nursery()
        self._busy: list[_Worker] = []
        self._idle: list[_Worker] = []
        self._next_look = 0.0

    def fits(self, needs: Resources) -> bool:
        return self._machine.fits(needs)

    def start(self, cell: Cell, needs: Resources) -> None:
        device = self._machine.take(needs)
        cell = replace(cell, execution=replace(cell.execution, device=device))
        worker = self._worker(cell.execution.threads)
        worker.cell, worker.needs, worker.device, worker.began, worker.stopped = cell, needs, device, time.monotonic(), ""
        order = Order(cell, cell.digest, self._store.folder, self._plugins, self._checkpoint)
        with contextlib.suppress(BrokenPipeError):  # It died at once: `wait` will find it.
            worker.pipe.send_bytes(order.to_json().encode())
        self._busy.append(worker)

    def wait(self, seconds: float) -> list[Ended]:
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            ready = set(wait([worker.pipe for worker in self._busy], max(0.0, min(LOOK, left))))
            ended = [end for worker in list(self._busy) if worker.pipe in ready and (end := self._hear(worker))]
            if ended or left <= 0 or not self._busy:
                return ended
            self._enforce()

    def close(self) -> None:
        for worker in self._busy:
            worker.end()
        families = [_family(worker.process.pid) for worker in self._idle]
        for worker in self._idle:  # They end by themselves: one that is killed may take others on its GPU with it (MPS).
            worker.pipe.close()
        for worker, family in zip(self._idle, families, strict=True):
            worker.process.join(GRACE)
            _kill(family)
        self._busy, self._idle = [], []

    def _worker(self, threads: int) -> _Worker:
        """An idle worker that is alive, or a new one. Native libraries read their thread counts when a process starts."""
        while self._idle:
            worker = self._idle.pop()
            if worker.process.is_alive():
                return worker
            worker.pipe.close()
        os.environ.update(thread_variables(threads))
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=serve, args=(theirs, dict(os.environ)))
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def _hear(self, worker: _Worker) -> Ended | None:
        """What a worker says: that it begins (None), a record, or by its death that there is none."""
        assert worker.cell is not None
        assert worker.needs is not None
        answer = None
        with contextlib.suppress(EOFError, ConnectionResetError):
            answer = json.loads(worker.pipe.recv_bytes())
        if answer == {}:
            worker.began = time.monotonic()
            return None
        self._busy.remove(worker)
        self._machine.give(worker.device, worker.needs)
        if answer is None:
            worker.process.join(GRACE)  # One that leaves by itself hangs up before it has an exit code.
            died = f"its process died ({_death(worker.process.exitcode)})"
            worker.end()
            return Ended(worker.cell, None, worker.stopped or died, died=not worker.stopped)
        if "trouble" in answer:
            self._idle.append(worker)
            raise UserError(answer["trouble"])
        record = Record.model_validate(answer["record"], strict=False)
        if record.status == "failed" and worker.device.startswith("cuda"):  # For a process a broken GPU stays broken.
            worker.end()
        else:
            self._idle.append(worker)
        return Ended(worker.cell, record)

    def _enforce(self) -> None:
        """Stop every worker whose cell takes more than it may."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK
        for worker in self._busy:
            if not worker.stopped and (reason := self._excess(worker, now)):
                worker.stopped = reason
                worker.kill()

    def _excess(self, worker: _Worker, now: float) -> str:
        seconds, memory = self._limits.seconds, self._limits.memory
        if seconds is not None and now - worker.began > seconds:
            return f"took longer than the limit of {seconds:.0f} s and was stopped"
        if memory is not None and (used := _used_memory(worker.process.pid)) > memory:
            return f"used {used:.1f} GB of memory, more than the limit of {memory:g}, and was stopped"
        assert worker.cell is not None
        log = self._store.log(worker.cell.digest)
        with contextlib.suppress(OSError):
            if log.stat().st_size > LARGEST_LOG:
                os.truncate(log, 2**20)
                return f"printed more than {LARGEST_LOG // 2**20} MiB and was stopped"
        return ""


def _family(pid: int) -> list[psutil.Process]:
    """A process and all that it started."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _used_memory(pid: int) -> float:
    """GB that a process and its children hold in memory."""
    used = 0
    for process in _family(pid):
        with contextlib.suppress(psutil.Error):
            used += process.memory_info().rss
    return used / GB


def _kill(processes: Iterable[psutil.Process]) -> None:
    """Those of them that are still there."""
    for one in processes:
        with contextlib.suppress(psutil.Error):
            one.kill()


def _death(code: int | None) -> str:
    if code is None:
        return "it hung up and went on"
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name if -code in signal.valid_signals() else str(-code)
    return f"{name}; out of memory?" if name == "SIGKILL" else name
