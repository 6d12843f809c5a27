"""A suite to break, the truth about it, and a tally of what was tried and what was lost.

`FFLBENCH_FAULTS=FILE` appends the tally to a file, from which `tools/build_reliability.py` writes docs/reliability.md;
`--kills N` says how often the tests that kill at random moments do so.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psutil
import pytest

from fflbench.records import Record, RecordStore
from fflbench.runner.options import Settings
from fflbench.runner.run import start
from fflbench.suite import load_suite

SUITE = """
name = "broken"
seeds = [0, 1]
defenses = ["fedavg", {{ name = "ffl", warmup = 1 }}, "median", "foolsgold"{more}]

[poisoning]
attacks = ["none", {{ name = "gaussian-noise", attackers = 0.4 }}]

[[poisoning.tasks]]
label = "clothes"
dataset = "fashion-mnist-small"
model = {{ name = "mlp", hidden = [8] }}
peers = 6
rounds = {rounds}
batch_size = 100
reported_models = 2

[reconstruction]
defenses = ["fedavg", "ffl", "median"]
attacks = [{{ name = "inverting-gradients", steps = 30 }}]

[[reconstruction.tasks]]
label = "picture"
dataset = "fashion-mnist-small"
model = {{ name = "mlp", hidden = [8] }}
peers = 4
victims = 4
"""

CELLS = 22


class Tally(Protocol):
    def __call__(self, fault: str, tried: int, lost: int, twice: int = 0) -> None: ...


def write_suite(folder: Path, *more: str, rounds: int = 12) -> Path:
    path = folder / "broken.toml"
    path.write_text(SUITE.format(more="".join(f', "{name}"' for name in more), rounds=rounds))
    return path


def records(results: Path) -> dict[str, Record]:
    found, problems = RecordStore(results).read_all()
    assert problems == []
    return {record.specification.name: record for record in found}


def comparable(found: dict[str, Record]) -> dict[str, Any]:
    return {name: record.comparable() for name, record in found.items()}


@pytest.fixture(scope="session")
def truth(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What every cell of the suite gives when nothing goes wrong, one after the other in one worker."""
    folder = tmp_path_factory.mktemp("truth")
    run = start(load_suite(str(write_suite(folder))), folder / "r", Settings(jobs=1))
    for _ in run.go():
        pass
    assert run.counts == Counter(ok=CELLS)
    return comparable(records(folder / "r"))


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Tally:
    def add(fault: str, tried: int, lost: int, twice: int = 0) -> None:
        path = os.environ.get("FFLBENCH_FAULTS")
        if path:
            test = request.node.nodeid.split("[")[0]
            with Path(path).open("a") as file:
                file.write(json.dumps({"fault": fault, "tried": tried, "lost": lost, "twice": twice, "test": test}) + "\n")
        assert (lost, twice) == (0, 0), fault

    return add


@dataclass
class Command:
    """A `fflbench run` in a process group of its own."""

    process: subprocess.Popen[str]
    suite: Path
    results: Path

    def kill(self) -> None:
        """The driver only, as the kernel or a user would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def wait(self, timeout: float = 240) -> str:
        output, _ = self.process.communicate(timeout=timeout)
        assert "Traceback" not in output, output
        return output

    def workers(self) -> list[psutil.Process]:
        """Those that are alive, forked from the server that the driver started; a process may go while it is looked at."""
        found = []
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children():
                with suppress(psutil.Error):
                    if "forkserver" in " ".join(child.cmdline()):
                        found += child.children()
        return found


@contextmanager
def command(suite: Path, results: Path, *words: str, jobs: int = 2) -> Iterator[Command]:
    line = [sys.executable, "-m", "fflbench", "run", str(suite), "--results", str(results), "--jobs", str(jobs),
            "--checkpoint", "0.01", *words]  # fmt: skip
    signal.signal(signal.SIGINT, signal.default_int_handler)  # Ignored by all that a shell starts with `&`.
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        yield Command(process, suite, results)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def wait_until(condition: Any, timeout: float = 120) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def begun(results: Path) -> Counter[str]:
    """How often each cell was begun, by digest, from the cells' logs."""
    return Counter({path.stem: path.read_text(errors="replace").count(", process ") for path in results.glob("logs/*.txt")})


def kept(results: Path) -> dict[str, bytes]:
    """Every finished record as it lies on disk, pictures included."""
    files = [*results.glob("records/*.json"), *results.glob("artefacts/*/*.png")]
    return {str(path.relative_to(results)): path.read_bytes() for path in files}
