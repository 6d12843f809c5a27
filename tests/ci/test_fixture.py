"""The pytest fixture `fflbench`, as a defense author uses it: in a repository of its own, by a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ci.suite import small_suite

DEFENSE = '''
from fflbench.contracts import Aggregate, Aggregator
from fflbench.registry import register


@register("my-mean")
class MyMean(Aggregator):
    """The mean of the updates, times a factor."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def aggregate(self, upload, round):
        return Aggregate(upload.rows.mean(0) * self.factor)
'''

SUITE = small_suite("own", '"fedavg"', '{ name = "my-mean", label = "ours", factor = 0.9 }')

TESTS = """
import pytest

CELL = dict(suite="own.toml", task="clothes", attack="none", seeds=(0,))


def test_names(fflbench):
    by_file = fflbench.score("my_defense.py:MyMean", suite="own.toml", plugins=["my_defense.py"], task="clothes", attack="none")
    by_name = fflbench.score("my_defense.py:my-mean", **CELL)
    assert by_file == by_name > 30
    assert fflbench.score("fedavg", **CELL) == by_name
    assert fflbench.score("fedavg", **CELL, metric="test-loss") < 3


def test_label_and_parameters(fflbench):
    ours = fflbench.score("ours", **CELL)
    assert ours == fflbench.score({"name": "my_defense.py:MyMean", "factor": 0.9}, **CELL)
    assert fflbench.score({"name": "my_defense.py:MyMean", "factor": 0.0}, **CELL) < ours
    assert len(fflbench.records("my_defense.py:MyMean", **CELL)) == 1


def test_gate(fflbench):
    results = fflbench.run("own.toml", plugins=["my_defense.py"])
    assert len(list((results / "records").glob("*.json"))) == 2
    assert fflbench.compare(results, results).regressions == []
    assert fflbench.compare(results, results).passed


@pytest.mark.parametrize(("change", "message"), [
    ({"task": "cloths"}, "task: found 'cloths', which is not registered; did you mean clothes?"),
    ({"attack": "some"}, "attack: found 'some'"),
    ({"metric": "psnr"}, "has no 'psnr'; needs one of accuracy"),
    ({"defense": "my_defense.py:Other"}, "defense: found 'Other', which my_defense.py does not register; it has my-mean"),
    ({"defense": "nothing.py:Other"}, "needs a Python file"),
    ({"suite": "nothing.toml"}, "neither a file nor a built-in suite"),
])
def test_what_is_wrong_is_said(fflbench, change, message):
    from fflbench.errors import UserError
    given = {"defense": "my_defense.py:MyMean", **CELL} | change
    with pytest.raises(UserError) as raised:
        fflbench.score(**given)
    assert message in str(raised.value)
"""


def pytest_in(folder: Path, *words: str, code: int = 0) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run([sys.executable, "-m", "pytest", *words], cwd=folder, env=environment, capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def author(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("author")
    (folder / "my_defense.py").write_text(DEFENSE)
    (folder / "own.toml").write_text(SUITE)
    (folder / "test_own.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\nfflbench_results = kept\n")
    return folder


def test_an_authors_tests_pass_and_a_second_run_computes_nothing(author: Path) -> None:
    assert "9 passed" in pytest_in(author)
    records = author / "kept" / "records"
    written = {path: path.stat().st_mtime_ns for path in records.iterdir()}
    assert len(written) == 5, "fedavg, ours, and my-mean with factors 1, 0.9 and 0"
    assert "9 passed" in pytest_in(author)
    assert {path: path.stat().st_mtime_ns for path in records.iterdir()} == written


def test_the_command_line_chooses_another_results_folder(author: Path) -> None:
    pytest_in(author, "-k", "gate", "--fflbench-results", "elsewhere")
    assert (author / "elsewhere" / "suites" / "own" / "records").is_dir()


def test_changed_code_is_run_again_and_only_its_record_is_compared(author: Path) -> None:
    (author / "my_defense.py").write_text(DEFENSE.replace("* self.factor", "* self.factor * 0.0"))
    pytest_in(author, "-k", "gate")
    (author / "my_defense.py").write_text(DEFENSE)
    pytest_in(author, "-k", "gate")
    kept = author / "kept"
    assert len(list((kept / "suites" / "own" / "records").glob("*.json"))) == 2
    assert len(list((kept / "records").glob("*.json"))) > 5


def test_pytest_starts_without_torch(author: Path) -> None:
    (author / "conftest.py").write_text(
        "import sys\n"
        "def pytest_unconfigure(config):\n"
        "    print('heavy:', [name for name in ('torch', 'pydantic', 'scipy', 'numpy') if name in sys.modules])\n"
    )
    own = ["-p", "no:benchmark", "-p", "no:hypothesispytest", "-p", "no:xdist"]
    output = pytest_in(author, "--collect-only", "-q", *own)
    assert "test_own.py::test_gate" in output
    assert "heavy: []" in output
    assert "fflbench_results" in pytest_in(author, "--help")
