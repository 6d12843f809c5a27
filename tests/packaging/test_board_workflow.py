"""The workflow that a board's repository copies: what it may do, and its shell steps run here on a tiny board."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = ROOT / "examples" / "board-repository" / ".github" / "workflows" / "pages.yml"

sys.path.insert(0, str(ROOT / "tests" / "leaderboard"))

from submission_workshop import Workshop, cells, newcomer  # noqa: E402

from fflbench.leaderboard.submissions.folder import add_submission  # noqa: E402


@pytest.fixture
def workflow() -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load(WORKFLOW.read_text())
    return loaded


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A runner's folder: a board as `board`, and a program `fflbench` in `bin`."""
    shop = Workshop(tmp_path)
    shop.file.unlink()
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "fflbench"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m fflbench "$@"\n')
    program.chmod(0o755)
    return tmp_path


def step(workflow: dict[Any, Any], job: str, name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a step as the runner does: `bash -e` in its folder."""
    (found,) = [one for one in workflow["jobs"][job]["steps"] if one.get("name") == name]
    environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "-e", "-c", found["run"]], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_nothing_of_a_pull_request_reaches_a_shell_and_it_may_only_read(workflow: dict[Any, Any]) -> None:
    assert set(workflow[True]) == {"pull_request", "push"}, "`on` is YAML's true; pull_request_target would hand out secrets"
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["jobs"]["publish"]["if"] == "github.event_name == 'push'"
    assert "permissions" not in workflow["jobs"]["check"]
    for job in workflow["jobs"].values():
        for one in job["steps"]:
            assert "${{" not in one.get("run", "")
            if one.get("uses", "").startswith("actions/checkout"):
                assert one["with"]["persist-credentials"] is False


def test_a_good_pull_request_passes_and_is_published(workflow: dict[Any, Any], checkout: Path) -> None:
    shutil.copytree(checkout / "board", checkout / "before")
    (checkout / "new.jsonl.xz").write_bytes(newcomer().to_bytes())
    add_submission(checkout / "board", checkout / "new.jsonl.xz")
    done = step(workflow, "check", "Check", checkout)
    assert done.returncode == 0, done.stderr
    assert "3 submissions with 12 records and 0 reports: all in order" in done.stdout
    shutil.rmtree(checkout / "before")
    assert step(workflow, "check", "Check", checkout).returncode == 0, "on main there is no board before"
    assert step(workflow, "publish", "Render", checkout).returncode == 0
    assert (checkout / "site" / "index.html").is_file()


@pytest.mark.parametrize(("harm", "says"), [
    (lambda board: next((board / "submissions").glob("signer*")).unlink(), "was removed; a board only grows"),
    (lambda board: (board / "board.toml").write_text('title = "$(reboot)"'), "board.toml: was changed"),
    (lambda board: (board / "submissions" / "$(touch owned).jsonl.xz").write_bytes(newcomer(cells("x")).to_bytes()),
     "by its content its name is newcomer-"),
])  # fmt: skip
def test_a_bad_pull_request_fails_with_one_line(workflow: dict[Any, Any], checkout: Path, harm: Any, says: str) -> None:
    shutil.copytree(checkout / "board", checkout / "before")
    harm(checkout / "board")
    done = step(workflow, "check", "Check", checkout)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (checkout / "owned").exists()
