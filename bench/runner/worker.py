"""A worker process: takes one cell after the other from its driver and answers with their records."""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import io
import json
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from fflbench import registry
from fflbench.errors import UserError
from fflbench.execution import Execution
from fflbench.federation.task import load_task
from fflbench.records import Record, RecordStore, Specification
from fflbench.runner.cell import Cell, log, run_cell
from fflbench.runner.checkpoint import Checkpoint

CHANGED = "the code or the data have changed since this run began"


@dataclass(frozen=True)
class Order:
    """A cell to run, the digest that its driver knows it by, the results folder, the plug-in files that it may need, and
    seconds between its checkpoints."""

    cell: Cell
    digest: str
    folder: Path
    plugins: tuple[Path, ...]
    checkpoint: float

    def to_json(self) -> str:
        cell = self.cell
        return json.dumps({
            "specification": cell.specification.model_dump(mode="json"), "suite": cell.suite, "data": cell.data,
            "execution": asdict(cell.execution), "folder": str(self.folder), "checkpoint": self.checkpoint,
            "plugins": [str(path) for path in self.plugins], "digest": self.digest,
        })  # fmt: skip

    @staticmethod
    def from_json(text: str | bytes) -> Order:
        values: dict[str, Any] = json.loads(text)
        cell = Cell(Specification.model_validate(values["specification"], strict=False), values["suite"], values["data"],
                    Execution(**values["execution"]))  # fmt: skip
        return Order(
            cell, values["digest"], Path(values["folder"]), tuple(map(Path, values["plugins"])), values["checkpoint"]
        )


def serve(connection: Connection, environment: dict[str, str]) -> None:
    """The life of a worker: until its driver hangs up or dies. It says when it begins a cell (its own start is not the
    cell's time), and answers with a record, or why none could be written."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.clear()
    os.environ.update(environment)
    _die_with_the_driver()
    _go_first_when_memory_is_short()
    faulthandler.enable()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            order = Order.from_json(connection.recv_bytes())
            connection.send_bytes(b"{}")
            answer: dict[str, Any]
            try:
                answer = {"record": attend(order).model_dump(mode="json")}
            except UserError as error:
                answer = {"trouble": str(error)}
            connection.send_bytes(json.dumps(answer).encode())


def attend(order: Order) -> Record:
    """Run one cell: what it prints goes to its log, how far it is to a small file beside the records."""
    cell, store = order.cell, RecordStore(order.folder)
    note = Note(store, order.digest)
    keeper = Checkpoint(store.checkpoint(order.digest), order.checkpoint, torch.device(cell.execution.device))
    try:
        with captured(store.log(order.digest)):
            log.info("%s on %s, process %d", cell.specification.name, cell.execution.device, os.getpid())
            for path in order.plugins:
                registry.load_file(path)
            if changed := _changed(order):
                store.write(changed)
                return changed
            record = run_cell(cell, store, note.progress, keeper)
    finally:
        note.drop()
        _give_memory_back()
    keeper.drop()
    return record


def _changed(order: Order) -> Record | None:
    """The failed record of a cell whose worker has other code or data than its driver had when it began; None if not so."""
    cell = order.cell
    try:
        if cell.digest == order.digest and load_task(cell.specification.task).data.digest == cell.data:
            return None
        error = f"{CHANGED}; run the same command again"
    except UserError as reason:
        error = f"{CHANGED}: {reason}"
    return cell.record("failed", error=error).model_copy(update={"digest": order.digest})


class Note:
    """How far a cell is, for whoever watches: `running/<digest>.json`. That it cannot be written must not cost a cell."""

    def __init__(self, store: RecordStore, digest: str) -> None:
        self._path, self._next = store.note(digest), 0.0
        self._values: dict[str, float] = {"pid": os.getpid(), "since": time.time(), "done": 0, "total": 0}
        self._write()

    def progress(self, done: int, total: int) -> None:
        """Called after every round or victim; the file is written at most twice a second."""
        log.info("%d of %d", done, total)
        self._values |= {"done": done, "total": total}
        if time.monotonic() >= self._next:
            self._write()

    def drop(self) -> None:
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        self._next = time.monotonic() + 0.5
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(self._values))


@contextmanager
def captured(path: Path) -> Iterator[None]:
    """Everything that this process prints, native code included, is appended to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    with path.open("ab") as file:
        kept = [(number, os.dup(number)) for number in (1, 2)]
        for number, _ in kept:
            os.dup2(file.fileno(), number)
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        for number, copy in kept:
            os.dup2(copy, number)
            os.close(copy)


def _die_with_the_driver() -> None:
    """A killed driver must not leave workers behind that compute for nobody."""
    driver = multiprocessing.parent_process()
    assert driver is not None

    def watch() -> None:
        driver.join()
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def _give_memory_back() -> None:
    """The allocator keeps what cells freed: the next one's memory would be counted on top."""
    gc.collect()
    if sys.platform == "linux":
        with suppress(AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def _go_first_when_memory_is_short() -> None:
    """The kernel then takes a worker, whose cell is recorded as failed, and not the driver or somebody's desktop."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")
