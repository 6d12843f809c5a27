"""What it costs to begin, in CPU time of another process, and how long a suite takes from the command to its summary.

Nothing here asserts a time.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fflbench.extension import FLAVOURS
from tests.benchmarks.ways import compared
from tests.ci.suite import small_suite

EVERYTHING = "import numpy, pandas, torch, torchvision, matplotlib.pyplot, sklearn.metrics"


def of_children() -> float:
    """CPU seconds of all processes that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def python(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


@pytest.mark.benchmark(timer=of_children)
class TestStart:
    @pytest.mark.parametrize("command", ["--help", "list"])
    def test_ours(self, benchmark: Any, command: str) -> None:
        compared(benchmark, f"start, fflbench {command}", "ours")
        benchmark.pedantic(python, ("-m", "fflbench", command), rounds=5, warmup_rounds=1)

    @pytest.mark.parametrize("command", ["--help", "list"])
    def test_everything_imported(self, benchmark: Any, command: str) -> None:
        compared(benchmark, f"start, fflbench {command}", "what codebases import at the top")
        benchmark.pedantic(python, ("-c", EVERYTHING), rounds=3, warmup_rounds=1)


@pytest.mark.benchmark(timer=time.perf_counter)
def test_a_short_run(benchmark: Any, tmp_path: Path) -> None:
    """The driver and the server that its workers come from, both with torch."""
    compared(benchmark, "start, a run of one cell that takes a moment, wall time", "ours")
    suite = tmp_path / "short.toml"
    suite.write_text(small_suite("short", '"fedavg"'))

    def run() -> None:
        python("-m", "fflbench", "run", str(suite), "--results", str(tmp_path / str(time.monotonic_ns())))

    benchmark.pedantic(run, rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(timer=time.perf_counter)
@pytest.mark.parametrize("engine", ["native", "torch"])
def test_the_quickstart(benchmark: Any, engine: str, tmp_path: Path) -> None:
    """One seed of it, on all cores."""
    if engine == "native" and not FLAVOURS:
        pytest.skip("the native code was not built")
    compared(benchmark, "quickstart, one seed, on all cores", engine)
    command = ["-m", "fflbench", "run", "quickstart", "--seeds", "0", "--engine", engine, "-q", "--results", str(tmp_path)]
    benchmark.pedantic(python, command, rounds=1)
    assert len(list((tmp_path / "records").glob("*.json"))) > 20
