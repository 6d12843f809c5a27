"""What grows with the number of cells and of peers, measured without a cluster: the scheduler and the record store.

python tools/simulate_cluster.py cells 1000 10000 100000   # the run's loop with cells that end at once
python tools/simulate_cluster.py tasks 1000 4000           # the same through a real Ray on this machine
python tools/simulate_cluster.py peers 1000 10000 100000   # one round with a thousandth of the peers

Each prints a Markdown table. The cells are real ones of a small suite, planned, claimed, recorded and read by the code that
a run uses; only computing them is left out.
"""

from __future__ import annotations

import argparse
import gc
import io
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil

from fflbench.clock import Clock
from fflbench.commands.status import status_command
from fflbench.execution import FULL
from fflbench.federation.rounds import run_rounds
from fflbench.federation.setup import build_federation
from fflbench.federation.task import load_task
from fflbench.keeper import Keeper
from fflbench.leaderboard.results import load_results
from fflbench.records import RecordStore
from fflbench.runner.backend import Backend, Ended
from fflbench.runner.cell import Cell
from fflbench.runner.cluster import RayCluster
from fflbench.runner.local import Limits
from fflbench.runner.node import Outcome
from fflbench.runner.options import Settings
from fflbench.runner.peak import forget_peak, resident
from fflbench.runner.plan import plan
from fflbench.runner.run import Run
from fflbench.runner.stale import stale_records
from fflbench.settings import Resources
from fflbench.suite import load_suite

DEFENSES, ATTACKS = ("fedavg", "median", "krum", "trimmed-mean", "ffl"), ("none", "sign-flip")
T = TypeVar("T")
AT_ONCE = 1000
SUITE = """
name = "simulated"
seeds = [0]
defenses = [{defenses}]
[poisoning]
attacks = [{attacks}]
[[poisoning.tasks]]
label = "clothes"
dataset = {dataset}
model = {{ name = "mlp", hidden = [8] }}
peers = {peers}
participation = {participation}
rounds = {rounds}
batch_size = 10
"""
CLOTHES = '"fashion-mnist-small"'


class Instant:
    """A backend with room for `AT_ONCE` cells, each done when it is looked at, with the curves of a run of 20 rounds."""

    workers = AT_ONCE

    def __init__(self, store: RecordStore) -> None:
        self._store = store
        self._cells: list[Cell] = []
        self.writing = 0.0

    def fits(self, needs: Resources) -> bool:
        return len(self._cells) < AT_ONCE

    def start(self, cell: Cell, needs: Resources) -> None:
        self._cells.append(cell)

    def wait(self, seconds: float) -> list[Ended]:
        cells, self._cells = self._cells, []
        return [self._end(cell) for cell in cells]

    def close(self) -> None:
        pass

    def _end(self, cell: Cell) -> Ended:
        names = ("accuracy", "test-loss", "worst-class-accuracy", "attack-success")
        record = cell.record("ok", metrics=dict.fromkeys(names, 50.0), curves={name: [50.0] * 20 for name in names},
                             seconds={"training": 60.0})  # fmt: skip
        begin = time.perf_counter()
        self._store.write(record)
        self.writing += time.perf_counter() - begin
        return Ended(cell, record)


class SimulatedRun(Run):
    """The real loop, with cells that end at once."""

    def _backend(self) -> Backend:
        self.instant = Instant(self.store)
        return self.instant


def cells(count: int, folder: Path) -> dict[str, str]:
    """What a run of that many cells costs its driver, by step."""
    suite = load_suite(_suite(folder, dataset=CLOTHES, peers=10, participation=1.0, rounds=20))
    seeds = tuple(range(count // (len(DEFENSES) * len(ATTACKS))))
    plan(suite, seeds=(0,))[0].cell.record("ok")  # What is loaded once is not a cost of each cell.
    before = _memory()
    seconds, planned = _timed(lambda: plan(suite, seeds=seeds))
    row = {"cells": f"{len(planned):,}", "planning (ms a cell)": _each(seconds, count)}
    store = RecordStore(folder / "results")
    run = SimulatedRun("simulated", planned, store, Settings(ray="simulated"))
    seconds, _ = _timed(lambda: sum(1 for _ in run.go()))
    row["loop and claims (ms a cell)"] = _each(seconds - run.instant.writing, count)
    row["records, written through to the disk (ms a cell)"] = _each(run.instant.writing, count)
    row["driver memory (kB a cell)"] = f"{(_memory() - before) / count / 1e3:.1f}"
    again = SimulatedRun("simulated", planned, store, Settings(ray="simulated"))
    seconds, _ = _timed(lambda: sum(1 for _ in again.go()))
    row["start when all are there (s)"] = f"{seconds:.1f}"
    other = [replace(item, cell=replace(item.cell, data="0" * 64)) for item in planned]
    seconds, _ = _timed(lambda: stale_records(store, other))
    row["scan for outdated records (s)"] = f"{seconds:.1f}"
    with redirect_stdout(io.StringIO()):
        seconds, _ = _timed(lambda: status_command(store.folder))
    row["`fflbench status` (s)"] = f"{seconds:.1f}"
    seconds, _ = _timed(lambda: load_results(store.folder))
    row["reading for the leaderboard (s)"] = f"{seconds:.1f}"
    return row


class TasksRun(Run):
    """The real loop and the real cluster of this machine, with as many tasks in flight as a cluster of a thousand cores."""

    def _backend(self) -> Backend:
        import ray

        cluster = RayCluster("local", self.store, (), Limits(), 60.0, FULL, None, self.notices.append)
        vars(cluster).update(_task=ray.remote(max_retries=0)(_no_cell), _resources=lambda: {"CPU": AT_ONCE})
        return cluster


def _no_cell(*arguments: object) -> Outcome:
    return Outcome("here", error="simulated")


def tasks(count: int, folder: Path) -> dict[str, str]:
    """What a cell costs the driver with Ray, once the first hundred are done."""
    suite = load_suite(_suite(folder, dataset=CLOTHES, peers=10, participation=1.0, rounds=20))
    planned = plan(suite, seeds=tuple(range(count // (len(DEFENSES) * len(ATTACKS)))))
    run = TasksRun("simulated", planned, RecordStore(folder / "results"), Settings(ray="local", jobs=None))
    begin = 0.0
    for _ in run.go():
        if not begin and len(run.finished) >= 100:
            begin, done = time.perf_counter(), len(run.finished)
    return {"tasks": f"{count:,}", "all of it (ms a cell)": _each(time.perf_counter() - begin, count - done)}


def peers(count: int, folder: Path) -> dict[str, str]:
    """What that many peers, with two rows of a table each, cost one process; a thousandth takes part in the one round."""
    draw = np.random.default_rng(0)
    arrays = {
        name: values
        for part, size in (("train", 2 * count), ("test", 1000))
        for name, values in (
            (f"{part}_inputs", draw.normal(size=(size, 10))),
            (f"{part}_targets", np.arange(size) % 2),
        )
    }
    np.savez(folder / "table.npz", **arrays)
    table = f'{{ name = "table", path = "{folder / "table.npz"}" }}'
    _round(folder, table, 20)  # What is loaded once is not a cost of the peers.
    before = _memory()
    forget_peak()
    setting_up, training = _round(folder, table, count)
    return {
        "peers": f"{count:,}", "set-up (s)": f"{setting_up:.2f}", "a round of a thousandth (s)": f"{training:.2f}",
        "memory at the peak (MB)": f"{(resident('VmHWM') - before) / 1e6:.0f}",
    }  # fmt: skip


def _round(folder: Path, table: str, count: int) -> tuple[float, float]:
    """Seconds of setting up that many peers and of one round. At least ten take part, so that somebody attacks."""
    suite = load_suite(_suite(folder, dataset=table, peers=count, participation=max(0.001, 10 / count), rounds=1))
    spec = suite.cells(only=("*/sign-flip/fedavg",))[0]
    load_task(spec.task)
    setting_up, federation = _timed(lambda: build_federation(spec, FULL))
    training, _ = _timed(lambda: run_rounds(federation, Clock("cpu"), lambda done, total: None, Keeper()))
    return setting_up, training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("cells", "tasks", "peers"))
    parser.add_argument("counts", nargs="+", type=int)
    parser.add_argument("--folder", type=Path, help="where the results folders lie while it runs; decides the disk")
    given = parser.parse_args()
    measure = {"cells": cells, "tasks": tasks, "peers": peers}[given.what]
    rows = []
    for count in given.counts:
        with _folder(given.folder) as folder:
            rows.append(measure(count, folder))
    print("| " + " | ".join(["", *(next(iter(row.values())) + f" {given.what}" for row in rows)]) + " |")
    print("|---" * (len(rows) + 1) + "|")
    for name in list(rows[0])[1:]:
        print("| " + " | ".join([name, *(row[name] for row in rows)]) + " |")


def _suite(folder: Path, **values: object) -> str:
    path = folder / "simulated.toml"
    names = {"defenses": DEFENSES, "attacks": ATTACKS}
    lists = {key: ", ".join(f'"{name}"' for name in chosen) for key, chosen in names.items()}
    path.write_text(SUITE.format(**lists, **values))
    return str(path)


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    begin = time.perf_counter()
    result = work()
    return time.perf_counter() - begin, result


def _each(seconds: float, count: int) -> str:
    return f"{1e3 * seconds / count:.2f}"


def _memory() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss)


@contextmanager
def _folder(parent: Path | None) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="simulated-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
