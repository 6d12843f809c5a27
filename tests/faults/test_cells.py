"""Whatever a cell does to its process, it alone fails, and its record says of what."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from fflbench import registry
from fflbench.records import Record
from fflbench.runner.local import Limits
from fflbench.runner.options import Settings
from fflbench.runner.run import Run, start
from fflbench.suite import load_suite
from tests.faults.conftest import Tally, command, comparable, records, wait_until, write_suite

PLUGIN = '''
import ctypes, os, signal, subprocess, sys, time
import torch
from fflbench.contracts import Aggregate, Aggregator
from fflbench.registry import register

class Bad(Aggregator):
    """Misbehaves in its second round."""
    def aggregate(self, upload, round):
        if round.index == 1:
            print("about to misbehave", flush=True)
            self.misbehave()
        return Aggregate(upload.rows.mean(0))

def bad(name):
    def add(misbehave):
        register(name)(type(name.title().replace("-", ""), (Bad,), {"misbehave": misbehave, "__doc__": "Misbehaves."}))
        return misbehave
    return add

@bad("raises")
def _(self): raise ZeroDivisionError("on purpose")

@bad("segfaults")
def _(self): ctypes.string_at(0)

@bad("aborts")
def _(self): os.abort()

@bad("is-killed")
def _(self): os.kill(os.getpid(), signal.SIGKILL)

@bad("exits")
def _(self): sys.exit(3)

@bad("leaves")
def _(self): os._exit(7)

@bad("interrupts")
def _(self): raise KeyboardInterrupt

@bad("closes-everything")
def _(self): os.closerange(0, 1000)

@bad("hangs")
def _(self): time.sleep(3600)

@bad("hangs-in-a-child")
def _(self): subprocess.run([sys.executable, "-c", "import time; time.sleep(3600)"])

@bad("hangs-deaf")
def _(self):
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    while True: pass

@bad("takes-memory")
def _(self):
    self.held = []
    while True:
        self.held.append(torch.ones(2**22))
        time.sleep(0.01)

@bad("prints-for-ever")
def _(self):
    while True: print("x" * 10_000_000)

@bad("changes-folder")
def _(self): os.chdir("/"); os.environ.clear()
'''

WRONG = {
    "raises": "ZeroDivisionError: on purpose",
    "segfaults": "its process died (SIGSEGV)",
    "aborts": "its process died (SIGABRT)",
    "is-killed": "its process died (SIGKILL; out of memory?)",
    "exits": "its process died (exit code 3)",
    "leaves": "its process died (exit code 7)",
    "interrupts": "its process died (exit code 1)",
    "closes-everything": "its process died",
    "hangs": "took longer than the limit of 25 s and was stopped",
    "hangs-in-a-child": "took longer than the limit of 25 s and was stopped",
    "hangs-deaf": "took longer than the limit of 25 s and was stopped",
    "takes-memory": "GB of memory, more than the limit of 2, and was stopped",
    "prints-for-ever": "printed more than 256 MiB and was stopped",
}


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "bad_plugin.py"
    path.write_text(PLUGIN)
    return path


def run(suite: Path, results: Path, **settings: Any) -> tuple[Run, dict[str, Record]]:
    running = start(load_suite(str(suite)), results, Settings(**settings))
    for _ in running.go():
        pass
    return running, {record.specification.defense.label: record for record in records(results).values()}


def test_only_the_cell_that_misbehaves_fails(plugin: Path, tmp_path: Path, truth: dict[str, Any], tally: Tally) -> None:
    registry.load_file(plugin)
    suite = write_suite(tmp_path, *WRONG, "changes-folder")
    settings = {"jobs": 2, "plugins": (plugin,), "limits": Limits(None, 2.0), "only": ("clothes/none",), "seeds": (0,)}
    before = set(psutil.Process().children(recursive=True))
    # Only those that never end get a limit of time: on a busy machine an honest cell may be slow.
    hanging = {"only": ("clothes/none/hangs*",), "jobs": 3, "limits": Limits(25.0)}
    run(suite, tmp_path / "r", **{**settings, **hanging})
    done, found = run(suite, tmp_path / "r", **settings)
    assert set(psutil.Process().children(recursive=True)) <= before, "a process was left behind"
    assert done.counts == Counter(ok=5, failed=len(WRONG))
    for label, error in WRONG.items():
        assert error in found[label].error, label
        if label != "prints-for-ever":
            assert "about to misbehave" in found[label].output, label
    assert "in misbehave" in found["segfaults"].output or "bad_plugin.py" in found["segfaults"].output
    honest = {name: record for name, record in records(tmp_path / "r").items() if name in truth}
    lost = sum(comparable(honest)[name] != truth[name] for name in honest)
    for label in WRONG:
        tally(f"a cell that {label.replace('-', ' ')}", 1, lost + (found[label].status != "failed"))
    assert len(honest) == 4

    again, _ = run(suite, tmp_path / "r", **settings)
    assert not any(item.new for item in again.finished), "failed cells are kept"
    only = {**settings, "retry_failed": True, "only": ("clothes/none/raises",)}
    retried, _ = run(suite, tmp_path / "r", **only)
    assert [item.new for item in retried.finished] == [True]


def test_fail_fast_stops_at_the_first_failure_and_says_how_to_go_on(plugin: Path, tmp_path: Path) -> None:
    suite, results = write_suite(tmp_path, "raises"), tmp_path / "r"
    text = suite.read_text().replace('defenses = ["fedavg"', 'defenses = ["raises", "fedavg"', 1).replace(', "raises"]', "]")
    suite.write_text(text)
    only = ("--only", "clothes", "--plugin", str(plugin))
    with command(suite, results, "--fail-fast", *only, jobs=1) as running:
        output = running.wait()
    assert running.process.returncode == 1
    assert "1 of 20 cells" in output
    assert "Stopped at the first failure" in output
    assert "ZeroDivisionError: on purpose" in output


def test_workers_killed_while_they_wait_or_work(tmp_path: Path, truth: dict[str, Any], tally: Tally) -> None:
    """As the kernel does when memory is short: one after the other, whatever they are doing."""
    suite, results = write_suite(tmp_path), tmp_path / "r"
    kills = 0
    with command(suite, results, "--seeds", "0") as running:
        wait_until(lambda: list(results.glob("records/*.json")))
        while running.process.poll() is None and kills < 6:
            done = len(list(results.glob("records/*.json")))
            for worker in running.workers()[:1]:
                with suppress(psutil.NoSuchProcess):
                    worker.kill()
                    kills += 1
            wait_until(lambda done=done: running.process.poll() is not None
                       or len(list(results.glob("records/*.json"))) > done)  # fmt: skip
        output = running.wait()
    assert kills >= 3, output
    failed = [record for record in records(results).values() if record.status == "failed"]
    assert all("SIGKILL" in record.error for record in failed)
    with command(suite, results, "--retry-failed", "--seeds", "0") as running:
        assert "11 of 11 cells" in running.wait()
    found = comparable(records(results))
    tally("a worker killed at work or waiting", kills, sum(found[name] != truth[name] for name in found))


def test_code_that_changes_under_a_run_is_not_taken_for_what_it_was(plugin: Path, tmp_path: Path) -> None:
    suite, results = write_suite(tmp_path, "changes-folder", rounds=200), tmp_path / "r"
    only = ("--only", "clothes/none/changes-folder", "--plugin", str(plugin))
    with command(suite, results, *only, jobs=1) as running:
        wait_until(lambda: list((results / "records").glob("*.claim")))
        plugin.write_text(PLUGIN.replace("mean(0)", "mean(0) * 0.5"))
        output = running.wait()
    assert "the code or the data have changed since this run began" in output
