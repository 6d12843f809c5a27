"""What the comparison looks like: on a terminal, as a comment, as JUnit XML, as JSON; and its exit codes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from leaderboard_records import record, write
from rich.console import Console

from fflbench.leaderboard.comparison import compare_folders
from fflbench.leaderboard.comparison.junit import comparison_junit
from fflbench.leaderboard.comparison.markdown import LONGEST, comparison_markdown
from fflbench.leaderboard.comparison.terminal import comparison_tables
from fflbench.leaderboard.comparison.verdicts import Change, ComparedCell, Comparison
from fflbench.leaderboard.measures import measure

HOSTILE = "</td>|<script>alert(1)</script> `x` @octocat #1 www.example.com \x1b[31m\x00\u202e ]]> & [a](b)"


def run(*words: object, code: int) -> str:
    """Runs `fflbench compare`; a traceback is never acceptable."""
    done = subprocess.run(
        [sys.executable, "-m", "fflbench", "compare", *map(str, words)], capture_output=True, text=True, check=False
    )
    output = done.stdout + done.stderr
    assert done.returncode == code, output
    assert "Traceback" not in output
    return output


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`before`, and `after` in which ffl lost ten points and krum under alie is missing."""
    folder = tmp_path_factory.mktemp("compare")
    cells = [(attack, defense, seed) for attack in ("none", "alie") for defense in ("ffl", "krum") for seed in range(3)]
    write(folder / "before", *(record(a, d, s, 80.0 + s) for a, d, s in cells))
    kept = [cell for cell in cells if cell[:2] != ("alie", "krum")]
    write(folder / "after", *(record(a, d, s, 80.0 + 1.1 * s - 10 * (d == "ffl")) for a, d, s in kept))
    return folder


def test_the_command_writes_every_output_and_fails(folders: Path, tmp_path: Path) -> None:
    files = {name: tmp_path / f"gate.{name}" for name in ("markdown", "junit", "json")}
    options = [word for name, path in files.items() for word in (f"--{name}", path)]
    output = run(folders / "before", folders / "after", *options, code=1)
    assert "failed: 3 regressions, 1 cell broken" in output
    assert output.index("Regressions") < output.index("Broken")
    assert "fashion-lenet / alie / krum" in output
    assert files["markdown"].read_text().startswith("## ❌ fflbench: failed: 3 regressions, 1 cell broken")
    assert json.loads(files["json"].read_text())["passed"] is False
    suite = ET.parse(files["junit"]).getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("5", "4")


def test_the_command_passes_what_is_the_same(folders: Path) -> None:
    output = run(folders / "before", folders / "before", "--quiet", code=0)
    assert output.splitlines() == ["4 cells: 4 fine", "passed: no regression in 4 cells"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "nowhere: found no such folder"),
        (["--tolerance", "accuracy"], "--tolerance: found 'accuracy', needs METRIC=VALUE"),
        (["--tolerance", "accuracy=-1"], "--tolerance: found 'accuracy=-1', needs METRIC=VALUE"),
        (["--tolerance", "accuracy=nan"], "--tolerance: found 'accuracy=nan', needs METRIC=VALUE"),
        (["--tolerance", "acuracy=1"], "--tolerance: found 'acuracy', which is not registered; did you mean accuracy?"),
        (["--tolerance", "accuracy=1", "--tolerance", "accuracy=2"], "--tolerance: found 'accuracy' twice"),
        (["--only", "a/b/c/d"], "--only: found 'a/b/c/d', needs TASK/ATTACK/DEFENSE"),
        (["--seeds", "x"], "--seeds: found 'x'"),
        (["--benchmarks-before", "b.json"], "--benchmarks-before: found it alone, needs --benchmarks-after as well"),
        (["--markdown", "/proc/nothing/here.md"], "compare: /proc/nothing/here.md: cannot be written"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(folders: Path, words: list[str], message: str) -> None:
    results = [folders / "nowhere"] if words == ["nowhere"] else [folders / "after", *words]
    output = run(folders / "before", *results, code=2)
    assert len(output.splitlines()) == 1
    assert message in output


def change(place: str, **update: Any) -> Change:
    values: dict[str, Any] = {
        "track": "poisoning", "task": place, "attack": place, "defense": place, "measure": measure("accuracy"),
        "before": 80.0, "after": 70.0, "difference": -10.0, "tolerance": 1.0, "seeds": 3, "error": 0.5, "p": 0.001,
        "verdict": "regression",
    }  # fmt: skip
    return Change(**(values | update))


def comparison(label: str, cells: int = 1, problems: tuple[str, ...] = ()) -> Comparison:
    found = [
        ComparedCell(track="poisoning", task=label, attack=label, defense=f"{label}{number}", digest="0" * 64,
                     outcome="broken" if problems else "regression", problems=problems, changes=(change(label),))
        for number in range(cells)
    ]  # fmt: skip
    return Comparison(baseline=label, results=label, cells=tuple(found), remarks=(label,))


def test_hostile_labels_are_data_in_every_output(tmp_path: Path) -> None:
    """One cell fails, with all its names and its error hostile, and one regressed."""
    names = [(HOSTILE, "broken"), (HOSTILE[::-1], "worse")]
    before = [record(name, name, seed, 80.0, task=name) for name, _ in names for seed in range(3)]
    lost = [record(name, name, seed, 50.0, task=name) for name, kind in names for seed in range(3) if kind == "worse"]
    failed = [record(HOSTILE, HOSTILE, seed, task=HOSTILE, status="failed", error=HOSTILE) for seed in range(3)]
    found = compare_folders(write(tmp_path / "before", *before), write(tmp_path / HOSTILE.partition("/")[0], *lost, *failed))
    assert (len(found.broken), len(found.regressions)) == (1, 1)
    for line in comparison_markdown(found).splitlines():
        outside = "".join(line.replace("\\|", "").split("`")[::2])
        for bad in ("<script", "@octocat", "#1 ", "www.", "](", "\x1b", "\x00", "\u202e"):
            assert bad not in outside
    cases = list(ET.fromstring(comparison_junit(found)).iter("testcase"))
    assert any("<script>" in str(case.get("name")) for case in cases)
    console = Console(width=200, record=True, file=io.StringIO())
    for table in comparison_tables(found):
        console.print(table)
    shown = console.export_text()
    assert "<script>" in shown
    assert not {"\x1b", "\x00", "\u202e"} & set(shown)


def test_a_comment_is_never_too_long_and_says_what_it_left_out() -> None:
    text = comparison_markdown(comparison("x" * 60, cells=5000))
    assert len(text) < LONGEST
    assert "### Regressions (5000)" in text
    assert "more left out: too long for a comment" in text
    assert text.count("\n| ") > 200


def test_many_cells_broken_for_one_reason_are_one_line() -> None:
    text = comparison_markdown(comparison("task", cells=50, problems=("not comparable: the task's specification changed",)))
    assert "| `50 cells, such as task / task / task0` | `not comparable: the task's specification changed` |" in text
    assert text.count("not comparable") == 1


def test_junit_says_in_words_what_failed() -> None:
    (failure,) = ET.fromstring(comparison_junit(comparison("cell"))).iter("failure")
    assert failure.get("type") == "regression"
    assert failure.text == "accuracy 80.0 -> 70.0 (−10.0 %, tolerance 1 %, 3 seeds, p = 0.001)"  # noqa: RUF001
