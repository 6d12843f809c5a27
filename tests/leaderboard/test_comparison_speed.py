"""Whether benchmarks got slower, from files of pytest-benchmark."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fflbench.errors import UserError
from fflbench.leaderboard.comparison.speed import compare_speed


def bench(name: str, median: float, spread: float = 0.05) -> dict[str, Any]:
    stats = {"median": median, "q1": median * (1 - spread), "q3": median * (1 + spread), "rounds": 20}
    return {"fullname": name, "stats": stats}


def file(folder: Path, name: str, *benchmarks: dict[str, Any], node: str = "here") -> Path:
    path = folder / name
    path.write_text(json.dumps({"benchmarks": list(benchmarks), "machine_info": {"node": node}}))
    return path


def paces(folder: Path, before: list[dict[str, Any]], after: list[dict[str, Any]], slower: float = 1.2) -> dict[str, str]:
    found, _ = compare_speed(file(folder, "b.json", *before), file(folder, "a.json", *after), slower)
    return {speed.name: speed.pace for speed in found}


@pytest.mark.parametrize(
    ("median", "spread", "pace"),
    [
        (1.0, 0.05, "same"),
        (1.15, 0.01, "same"),  # Clear, but within the ratio.
        (1.5, 0.4, "same"),  # Beyond the ratio, but the quartiles overlap.
        (1.5, 0.05, "slower"),
        (0.5, 0.05, "faster"),
    ],
)
def test_slower_is_beyond_the_ratio_and_outside_the_quartiles(
    tmp_path: Path, median: float, spread: float, pace: str
) -> None:
    assert paces(tmp_path, [bench("t", 1.0)], [bench("t", median, spread)]) == {"t": pace}


def test_missing_and_new_benchmarks(tmp_path: Path) -> None:
    assert paces(tmp_path, [bench("old", 1.0)], [bench("young", 1.0)]) == {"old": "missing", "young": "new"}


def test_two_machines_are_compared_with_a_remark(tmp_path: Path) -> None:
    files = file(tmp_path, "b.json", bench("t", 1.0)), file(tmp_path, "a.json", bench("t", 1.0), node="there")
    assert compare_speed(*files)[1] == ["benchmarks of two machines are compared: here and there"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"benchmarks": []}', '{"benchmarks": [{"fullname": "t", "stats": {"median": NaN, "q1": 1, "q3": 1}}]}',
     '{"benchmarks": [{"fullname": "t", "stats": {"median": -1, "q1": 1, "q3": 1}}]}', '{"benchmarks": [{"fullname": "t"}]}',
     "[" * 100_000, "\x00\xff", json.dumps({"benchmarks": [bench("t", 1.0)] * 2})],
)  # fmt: skip
def test_a_file_that_is_not_one_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"^--benchmarks-before: .*bad\.json: [^\n]*$"):
        compare_speed(path, path)


@pytest.mark.parametrize("ratio", [1.0, 0.5, float("nan"), float("inf")])
def test_a_ratio_that_is_none(tmp_path: Path, ratio: float) -> None:
    path = file(tmp_path, "b.json", bench("t", 1.0))
    with pytest.raises(UserError, match=r"--slower: found .*, needs a ratio above 1"):
        compare_speed(path, path, ratio)


def test_files_that_pytest_benchmark_wrote_are_read(tmp_path: Path) -> None:
    """The same test twice, the second time a hundred times the work."""
    paths, medians = [], []
    # Under xdist a pytest that a test starts would take itself for a worker, and benchmarks are off in those.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    for loops in (5_000, 500_000):
        (tmp_path / "test_it.py").write_text(f"def test_it(benchmark):\n    benchmark(lambda: sum(range({loops})))\n")
        paths.append(tmp_path / f"{loops}.json")
        words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", f"--benchmark-json={paths[-1]}", "--benchmark-max-time=0.3"]
        done = subprocess.run(
            [sys.executable, *words, "test_it.py"], cwd=tmp_path, env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        medians.append(json.loads(paths[-1].read_text())["benchmarks"][0]["stats"]["median"])
    (speed,), remarks = compare_speed(*paths)
    assert (speed.name, speed.pace, remarks) == ("test_it.py::test_it", "slower", [])
    assert speed.ratio == pytest.approx(medians[1] / medians[0])
