"""Runs the shell steps of a composite action as a runner does: conditions, expressions, environment, outputs."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


@dataclass
class Done:
    """How a job ended. `steps`: exit code by the step's name, of those that ran."""

    code: int
    steps: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    printed: str = ""
    summary: str = ""


def read(path: Path) -> dict[str, Any]:
    """A YAML file. YAML 1.1 reads the key `on` as a truth value: it is put right."""
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {("on" if key is True else key): value for key, value in found.items()}


def run_steps(
    action: Path, given: dict[str, str], folder: Path, context: dict[str, str], path: list[Path], skip: set[str]
) -> Done:
    """The steps with a `run:`, in a repository at `folder`, until one fails; those named in `skip` are left out. `path` comes
    before the PATH, `context` are values of expressions such as `github.event_name`."""
    described = read(action)
    names = {f"inputs.{name}": str(entry.get("default", "")) for name, entry in described["inputs"].items()}
    names |= {f"inputs.{name}": value for name, value in given.items()} | context
    temporary = folder / ".runner"
    temporary.mkdir()
    done = Done(0)
    for step in described["runs"]["steps"]:
        if "run" not in step or step["name"] in skip or not _holds(step.get("if", ""), names):
            continue
        files = {name: temporary / name.lower() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        files["GITHUB_OUTPUT"].write_text("")
        environment = os.environ | {name: str(file) for name, file in files.items()} | {
            "RUNNER_TEMP": str(temporary), "GITHUB_ACTION_PATH": str(action.parent),
            "PATH": os.pathsep.join([*map(str, path), os.environ["PATH"]]),
            **{name: _filled(value, names) for name, value in step.get("env", {}).items()},
        }  # fmt: skip
        script = temporary / "step.sh"
        script.write_text(step["run"])
        words = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)]
        ended = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        done.steps[step["name"]] = ended.returncode
        done.printed += ended.stdout + ended.stderr
        done.summary = files["GITHUB_STEP_SUMMARY"].read_text() if files["GITHUB_STEP_SUMMARY"].exists() else ""
        for line in files["GITHUB_OUTPUT"].read_text().splitlines():
            name, _, value = line.partition("=")
            names[f"steps.{step.get('id', '')}.outputs.{name}"] = value
            done.outputs[name] = value
        if ended.returncode and not step.get("continue-on-error"):
            done.code = ended.returncode
            break
    return done


def _filled(text: str, names: dict[str, str]) -> str:
    return EXPRESSION.sub(lambda match: names.get(match[1], ""), str(text))


def _holds(condition: str, names: dict[str, str]) -> bool:
    """Terms `name == 'value'` or `name != 'value'`, joined by &&."""
    for term in condition.split(" && ") if condition else []:
        name, operator, value = term.split(" ", 2)
        if (names.get(name, "") == value.strip("'")) != (operator == "=="):
            return False
    return True
