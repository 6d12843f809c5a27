"""Worker processes: each runs one cell at a time with one thread; a cell that crashes or hangs takes only itself down."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pebble import ProcessExpired, ProcessPool

from fflbench import registry
from fflbench.records import Record, RecordStore, Specification
from fflbench.runner.cell import Cell, run_cell, timestamp


@dataclass(frozen=True)
class Finished:
    """A cell that is done, with its record; `new` is False for one that was there before."""

    cell: Cell
    record: Record
    new: bool = True


class Workers:
    """A pool of `jobs` processes that run cells of one results folder. Use as a context manager; leaving it early stops
    what is running."""

    def __init__(self, jobs: int, store: RecordStore, plugins: tuple[Path, ...], limit: float | None) -> None:
        self._store, self._limit = store, limit
        for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ[variable] = "1"
        files = tuple(str(path) for path in plugins)
        self._pool: Any = ProcessPool(jobs, context=multiprocessing.get_context("spawn"), initializer=_begin,
                                 initargs=(files,))  # fmt: skip

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.stop()
        self._pool.join()

    def run(self, cells: list[Cell], poll: float = 0.5) -> Iterator[Finished | None]:
        """Yields each cell as it finishes, and None whenever `poll` seconds have passed without news."""
        waiting: dict[Future[str], Cell] = {}
        for cell in cells:
            data = (cell.specification.model_dump_json(), cell.suite, cell.data, cell.device, str(self._store.folder))
            waiting[self._pool.schedule(_work, args=data, timeout=self._limit)] = cell
        while waiting:
            done = wait(waiting, timeout=poll, return_when=FIRST_COMPLETED).done
            if not done:
                yield None
            for future in done:
                yield self._finish(waiting.pop(future), future)

    def _finish(self, cell: Cell, future: Future[str]) -> Finished:
        error = future.exception()
        if error is None:
            return Finished(cell, Record.model_validate_json(future.result()))
        if isinstance(error, TimeoutError):
            text = f"took longer than the limit of {self._limit:.0f} s and was stopped"
        elif isinstance(error, ProcessExpired):
            text = f"its process died ({_death(error.exitcode)})"
        else:
            text = f"{type(error).__name__}: {error}"
        record = cell.record("failed", timestamp(), error=text)
        self._store.write(record)
        return Finished(cell, record)


def progress_of(store: RecordStore) -> dict[str, tuple[int, int]]:
    """How far the running cells are: digest -> (done, total)."""
    found = {}
    for path in (store.folder / "running").glob("*.json"):
        try:
            done, total = json.loads(path.read_text())
            found[path.stem] = (int(done), int(total))
        except (OSError, ValueError, TypeError):
            continue
    return found


def _begin(plugins: tuple[str, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for path in plugins:
        registry.load_file(Path(path))


def _work(specification: str, suite: str, data: str, device: str, folder: str) -> str:
    """Runs in a worker: one cell, its progress in a small file beside the records."""
    cell = Cell(Specification.model_validate_json(specification), suite, data, device)
    store = RecordStore(Path(folder))
    note = store.folder / "running" / f"{cell.digest}.json"
    try:
        record = run_cell(cell, store, lambda done, total: _note(note, done, total))
    finally:
        with contextlib.suppress(OSError):
            note.unlink(missing_ok=True)
    return record.model_dump_json()


def _note(path: Path, done: int, total: int) -> None:
    """Only for the display: that it cannot be written must not cost a cell."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([done, total]))


def _death(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name if -code in signal.valid_signals() else str(-code)
    return f"{name}; out of memory?" if name == "SIGKILL" else name
