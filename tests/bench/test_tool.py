"""Tools that plug-ins run and do not bring: absent, empty, somebody else's, there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fflbench import plugin_source, registry
from fflbench.errors import UserError
from fflbench.tool import Tool

GET = "set FFLBENCH_INVERSEFED=path of a checkout of https://github.com/JonasGeiping/invertinggradients (needs six)"
SUITE = """
name = "theirs"
description = "One cell."
seeds = [0]
defenses = ["fedavg"]
[reconstruction]
attacks = ["inversefed"]
[[reconstruction.tasks]]
label = "one"
dataset = "photographs"
model = "lenet"
"""


def package(folder: Path, name: str = "their_tool", text: str = "class TheirAttack: ...\n") -> Path:
    """A small package with that source, as somebody's checkout would have it."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text("import sys\nfrom .core import *\nassert __name__ in sys.modules\n")
    (folder / name / "core.py").write_text(text)
    return folder


def tool(**changes: object) -> Tool:
    values: dict[str, object] = {
        "module": "their_tool",
        "get": "ask them",
        "mark": ("core.py", "class TheirAttack"),
        "folder": "THEIR_TOOL",
    }
    return Tool(**{**values, **changes})  # type: ignore[arg-type]


def fflbench(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "FFLBENCH_INVERSEFED": str(folder), "COLUMNS": "1000"}
    return subprocess.run(
        [sys.executable, "-m", "fflbench", *arguments], capture_output=True, text=True, env=environment, check=False
    )


def test_what_is_missing_is_said_with_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THEIR_TOOL", raising=False)
    assert tool().missing() == "this installation has no package their_tool; ask them"
    monkeypatch.setenv("THEIR_TOOL", str(tmp_path))
    assert tool().missing() == f"THEIR_TOOL: found {str(tmp_path)!r}, which has no package their_tool; ask them"
    monkeypatch.setenv("THEIR_TOOL", str(package(tmp_path / "other", text="x = 1\n")))
    assert "has another project's their_tool" in str(tool().missing())
    monkeypatch.setenv("THEIR_TOOL", str(package(tmp_path / "right")))
    assert tool().missing() is None
    lacking = tool(requires=("sys", "no_such_module")).missing()
    assert lacking == f"their_tool in {tmp_path / 'right'} needs no_such_module; pip install no_such_module"


def test_a_checkout_is_imported_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, first, second = list(sys.path), package(tmp_path / "a"), package(tmp_path / "b")
    monkeypatch.setenv("THEIR_TOOL", str(first))
    loaded = tool().load()
    assert loaded is tool().load()
    assert Path(str(loaded.__file__)).is_relative_to(first)
    monkeypatch.setenv("THEIR_TOOL", str(second))
    assert Path(str(tool().load().__file__)).is_relative_to(second)
    assert sys.path == path
    assert not [name for name in sys.modules if name.startswith("their_tool")]


def test_another_package_of_that_name_stays_what_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(package(tmp_path / "installed", "their_other_tool", "ours = True\n")))
    import their_other_tool  # type: ignore[import-not-found]

    monkeypatch.setenv("THEIR_TOOL", str(package(tmp_path / "checkout", "their_other_tool")))
    loaded = tool(module="their_other_tool").load()
    assert hasattr(loaded, "TheirAttack")
    assert sys.modules["their_other_tool"] is their_other_tool
    assert their_other_tool.ours


def test_one_that_does_not_import_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THEIR_TOOL", str(package(tmp_path, text="class TheirAttack: ...\nimport no_such_module\n")))
    with pytest.raises(UserError, match=r"their_tool in .* does not import: ModuleNotFoundError"):
        tool().load()
    assert str(tmp_path) not in sys.path


@pytest.mark.parametrize("name", ["inversefed", "breaching"])
def test_the_registry_reads_the_tool_without_importing_the_plugin(name: str) -> None:
    plugin = registry.find("attacks", name)
    read = plugin_source.tool(str(plugin.target))
    assert read is not None
    assert read == plugin.load().tool


@pytest.mark.parametrize("command", [("list", "attacks"), ("info", "inversefed")])
def test_list_and_info_show_it_as_unavailable(command: tuple[str, ...], tmp_path: Path) -> None:
    done = fflbench(*command, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"navailable: FFLBENCH_INVERSEFED: found {str(tmp_path)!r}, which has no package inversefed; {GET}" in done.stdout


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize("found", ["has no package inversefed", "has another project's inversefed"])
def test_a_suite_that_names_it_ends_with_one_line(command: str, found: str, tmp_path: Path) -> None:
    (tmp_path / "suite.toml").write_text(SUITE)
    folder = package(tmp_path, "inversefed") if "another" in found else tmp_path
    done = fflbench(command, str(tmp_path / "suite.toml"), "--results", str(tmp_path / "results"), folder=folder)
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"fflbench: attack inversefed: FFLBENCH_INVERSEFED: found {str(tmp_path)!r}, which {found}"
    )
    assert done.stderr.strip().endswith(GET)
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list((tmp_path / "results").rglob("*.json"))
