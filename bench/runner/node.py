"""What runs on a node of a Ray cluster: one cell in a worker process of its own, watched as on the driver's machine.

The cell's process is a child of the Ray task, so that a crash, a limit of time or of memory and what was printed are dealt
with by the same code as in a local run, and the task lives to tell. Nodes need share no file system with the driver.
"""

from __future__ import annotations

import json
import math
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from fflbench import registry
from fflbench.errors import UserError
from fflbench.records import RecordStore
from fflbench.runner.backend import Ended
from fflbench.runner.local import Limits, LocalWorkers
from fflbench.runner.parcel import Parcel
from fflbench.runner.scratch import Scratch
from fflbench.runner.worker import CHANGED, Order
from fflbench.settings import Resources

LOOK = 0.5
"""Seconds between two looks at how far the cell is."""

LOG_SENT = 2**20
"""Bytes of the end of a cell's log that go to the driver."""


@dataclass(frozen=True)
class Outcome:
    """What became of a cell on a node: its record as JSON or why there is none, and the files beside it (path below the
    results folder, content). `trouble` is what is wrong with the node itself."""

    node: str
    record: str | None = None
    error: str = ""
    died: bool = False
    files: tuple[tuple[str, bytes], ...] = ()
    trouble: str = ""


class Board:
    """Where nodes write how far their cells are, and their checkpoints, until the driver takes it. A Ray actor."""

    def __init__(self) -> None:
        self._notes: dict[str, dict[str, Any]] = {}
        self._states: dict[str, bytes] = {}

    def tell(self, digest: str, note: dict[str, Any] | None, state: bytes | None) -> None:
        if note is not None:
            self._notes[digest] = note
        if state is not None:
            self._states[digest] = state

    def take(self) -> tuple[dict[str, dict[str, Any]], dict[str, bytes]]:
        """The newest of each since the last time."""
        taken = self._notes, self._states
        self._notes, self._states = {}, {}
        return taken


class Site:
    """A process of a node that runs cells one after the other. Its worker process is kept for the next one."""

    def __init__(self, parcel: Parcel, limits: Limits, checkpoint: float, device: str) -> None:
        self.gpus = os.environ.get("CUDA_VISIBLE_DEVICES")
        self._scratch = Scratch()
        plugins = parcel.unpack(self._scratch.folder / "plugins")
        for path in plugins:
            registry.load_file(path)
        self._store = RecordStore(self._scratch.folder / "results")
        self._workers = LocalWorkers(1, self._store, plugins, limits, checkpoint, device, math.inf)

    def run(self, order: Order, needs: Resources, state: bytes | None, board: Any) -> Outcome:
        """The cell from its state, if it has one. The board is told of every change."""
        if order.cell.digest != order.digest:
            return Outcome(platform.node(), trouble=CHANGED)
        kept = self._store.checkpoint(order.digest)
        if state is not None:
            self._store.write_file(kept, state)
        try:
            watch = _Watch(self._store, order.digest, board)
            with _nothing_to_import():
                self._workers.start(order.cell, needs)
            while not (ended := self._workers.wait(LOOK)):
                watch.look()
            return self._outcome(ended[0], order.digest)
        finally:
            shutil.rmtree(self._store.folder, ignore_errors=True)

    def close(self) -> None:
        self._workers.close()
        self._scratch.remove()

    def _outcome(self, ended: Ended, digest: str) -> Outcome:
        record = ended.record.model_dump_json() if ended.record else None
        folder = self._store.folder
        files = [(path.relative_to(folder).as_posix(), path.read_bytes()) for path in folder.glob(f"artefacts/{digest}/*")]
        log = self._store.log(digest)
        if log.is_file():
            with log.open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - LOG_SENT))
                files.append((log.relative_to(folder).as_posix(), file.read()))
        return Outcome(platform.node(), record, ended.error, ended.died, tuple(files))


class _Watch:
    """Sees a cell's note and checkpoint change and tells the board."""

    def __init__(self, store: RecordStore, digest: str, board: Any) -> None:
        import ray

        self._digest, self._board = digest, board
        self._paths = (store.note(digest), store.checkpoint(digest))
        self._node = ray.get_runtime_context().get_node_id()
        self._seen = (0, _changed(self._paths[1]))
        # At once: the driver must know the node of a cell that is gone the next moment.
        begun = {"pid": os.getpid(), "since": time.time(), "done": 0, "total": 0, "node": self._node}
        self._board.tell.remote(digest, begun, None)

    def look(self) -> None:
        now = (_changed(self._paths[0]), _changed(self._paths[1]))
        if now == self._seen:
            return
        note, state = None, None
        with suppress(OSError, ValueError):  # Being written, or gone because the cell has just ended.
            if now[0] != self._seen[0]:
                note = {**json.loads(self._paths[0].read_text()), "node": self._node}
            if now[1] != self._seen[1]:
                state = self._paths[1].read_bytes()
            self._seen = now
        if note is not None or state is not None:
            self._board.tell.remote(self._digest, note, state)


@contextmanager
def _nothing_to_import() -> Iterator[None]:
    """A process started inside does not import this one's main module, which is Ray's and costs seconds."""
    ours, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = ours


def _changed(path: Path) -> int:
    """When a file was last written; 0 if it is not there."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


_site: Site | None = None


def attend_here(order: str, needs: Resources, parcel: Parcel, limits: Limits, state: bytes | None, board: Any) -> Outcome:
    """Run one cell on this node: the Ray task."""
    global _site
    try:
        if _site is None or _site.gpus != os.environ.get("CUDA_VISIBLE_DEVICES"):
            _leave()
        asked = Order.from_json(order)
        _site = _site or Site(parcel, limits, asked.checkpoint, asked.cell.execution.device)
        return _site.run(asked, needs, state, board)
    except UserError as error:
        _leave()
        return Outcome(platform.node(), trouble=str(error))
    except BaseException:  # Also when the driver cancels it: the cell's process must not go on.
        _leave()
        raise


def _leave() -> None:
    global _site
    if _site is not None:
        _site.close()
    _site = None
