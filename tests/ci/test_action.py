"""The GitHub Action: its YAML, its safety, and its shell steps, really run on a tiny suite."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.ci.composite import EXPRESSION, Done, read, run_steps
from tests.ci.suite import small_suite

ROOT = Path(__file__).resolve().parents[2]
ACTION, EXAMPLE = ROOT / "action.yml", ROOT / "examples" / "defense-ci"
WORKFLOW = EXAMPLE / ".github" / "workflows" / "defense.yml"

SUITE = small_suite("tiny", '"fedavg"', '"median-norm-mean"')

GH = """#!{python}
import json, pathlib, sys
log = pathlib.Path({log!r})
known = json.loads(log.read_text()) if log.exists() else []
known.append(sys.argv[1:])
log.write_text(json.dumps(known))
if "--jq" in sys.argv and {existing!r}:
    print({existing!r})
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An author's repository with its baseline, made by the action itself."""
    folder = tmp_path_factory.mktemp("author")
    shutil.copy(EXAMPLE / "my_defense.py", folder)
    (folder / "tiny.toml").write_text(SUITE)
    done = act(folder)
    assert done.code == 0, done.printed
    shutil.copytree(done.outputs["results"], folder / "baseline")
    return folder


def act(folder: Path, tools: Path | None = None, context: dict[str, str] | None = None, **given: str) -> Done:
    """The action on that repository. Setting up Python and installing are left out: this Python has it."""
    shutil.rmtree(folder / ".runner", ignore_errors=True)
    inputs = {"suite": "tiny.toml", "plugin": "my_defense.py\n", "args": "--jobs 1"} | {
        k.replace("_", "-"): v for k, v in given.items()
    }
    path = [*([tools] if tools else []), Path(sys.executable).parent]
    return run_steps(ACTION, inputs, folder, context or {}, path, skip={"Install fflbench"})


def test_without_a_change_the_gate_passes(repository: Path) -> None:
    done = act(repository, baseline="baseline", tolerance="accuracy=1.5\ntest-loss=inf")
    assert done.code == 0, done.printed
    assert done.summary.startswith("## ✅ fflbench: passed: no regression in 2 cells")
    assert "Comment on the pull request" not in done.steps, "there is no pull request"
    files = {path.name for path in Path(done.outputs["results"]).iterdir()}
    assert files >= {"records", "leaderboard.html", "leaderboard.md", "comparison.md", "comparison.xml", "comparison.json"}


def test_a_worse_defense_fails_with_the_gates_code_after_everything_was_reported(repository: Path, tmp_path: Path) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(repository, folder)
    source = (folder / "my_defense.py").read_text()
    (folder / "my_defense.py").write_text(source.replace(".mean(0))", ".mean(0) * 0.0)"))
    done = act(folder, baseline="baseline", tolerance="test-loss=inf")
    assert done.code == 1, done.printed
    assert done.outputs["code"] == "1"
    assert list(done.steps)[-1] == "Pass or fail"
    assert "median-norm-mean" in done.summary
    assert done.summary.startswith("## ❌ fflbench: failed")


def test_bad_input_ends_with_2_and_one_line(repository: Path) -> None:
    done = act(repository, suite="nothing.toml")
    assert done.code == 2
    assert "suite: found 'nothing.toml'" in done.printed
    assert "Traceback" not in done.printed
    done = act(repository, baseline="nowhere")
    assert (done.code, done.outputs["code"]) == (2, "2")
    assert "nowhere: found no such folder" in done.printed
    assert "could not be made" in done.summary


def test_inputs_are_data_for_the_shell(repository: Path) -> None:
    trap = repository / "trap"
    evil = f'$(touch {trap})`touch {trap}`"; touch {trap}; "'
    for names in (("suite", "plugin", "only", "seeds", "args"), ("baseline",), ("tolerance",)):
        given = {"baseline": "baseline"} | dict.fromkeys(names, evil)
        assert act(repository, **given).code != 0
        assert not trap.exists(), names


@pytest.mark.parametrize("existing", ["", "77"])
def test_the_comment_is_written_once_and_then_edited(repository: Path, tmp_path: Path, existing: str) -> None:
    """The program `gh` needs GitHub: a stand-in notes how it is called."""
    log = tmp_path / "calls.json"
    (tmp_path / "gh").write_text(GH.format(python=sys.executable, log=str(log), existing=existing))
    (tmp_path / "gh").chmod(0o755)
    context = {"github.event_name": "pull_request", "github.repository": "me/mine", "github.event.pull_request.number": "5"}
    done = act(repository, tmp_path, context, baseline="baseline")
    assert done.steps["Comment on the pull request"] == 0, done.printed
    (look, write) = json.loads(log.read_text())
    assert "repos/me/mine/issues/5/comments" in look
    assert write[:4] == [
        "api",
        "--method",
        *(["PATCH", "repos/me/mine/issues/comments/77"] if existing else ["POST", "repos/me/mine/issues/5/comments"]),
    ]
    body = Path(write[-1].removeprefix("body=@")).read_text()
    assert body.splitlines()[0] == "<!-- fflbench: tiny.toml -->"
    assert "passed: no regression" in body


def test_no_comment_when_not_wanted(repository: Path) -> None:
    context = {"github.event_name": "pull_request"}
    assert "Comment on the pull request" not in act(repository, None, context, baseline="baseline", comment="false").steps


def steps() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read(ACTION)["runs"]["steps"]
    return found


def test_every_input_is_declared_used_and_described() -> None:
    declared = read(ACTION)["inputs"]
    used = set(re.findall(r"inputs\.([a-z-]+)", ACTION.read_text()))
    assert used == set(declared)
    assert all(entry["description"] and "default" in entry for entry in declared.values())


def test_no_expression_stands_in_a_script() -> None:
    """What GitHub pastes into a script before the shell reads it is code: values come through the environment."""
    assert [step["name"] for step in steps() if "run" in step and EXPRESSION.search(step["run"])] == []
    assert all(step.get("shell") == "bash" for step in steps() if "run" in step)
    for job in read(WORKFLOW)["jobs"].values():
        assert [step for step in job["steps"] if EXPRESSION.search(step.get("run", ""))] == []


def test_every_reference_to_a_step_exists() -> None:
    ids = {step["id"] for step in steps() if "id" in step}
    assert set(re.findall(r"steps\.([a-z]+)\.", ACTION.read_text())) <= ids


def test_the_examples_workflow_gives_only_inputs_that_are_there() -> None:
    workflow = read(WORKFLOW)
    assert set(workflow["on"]) == {"push", "pull_request"}
    assert workflow["permissions"] == {"contents": "read", "pull-requests": "write"}
    (gate,) = [step for step in workflow["jobs"]["gate"]["steps"] if step.get("uses", "").startswith("OWNER/fflbench@")]
    assert set(gate["with"]) <= set(read(ACTION)["inputs"])
    for name in ("suite", "plugin", "baseline"):
        assert (EXAMPLE / gate["with"][name]).exists()


def test_the_python_of_this_test_is_the_one_that_the_steps_find() -> None:
    found = shutil.which("python", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert found is not None
    assert Path(found).parent == Path(sys.executable).parent
