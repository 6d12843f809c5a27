"""Plug-ins by name: built-ins, files, broken ones, near names."""

from __future__ import annotations

import inspect
import zlib
from pathlib import Path
from textwrap import dedent

import pytest

from fflbench import plugin_source, registry
from fflbench.contracts import Pipeline
from fflbench.errors import UserError


def plugin_file(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.py"
    path.write_text(dedent(text))
    return path


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_built_in_loads_and_says_what_it_is(kind: str) -> None:
    for plugin in registry.plugins(kind).values():
        loaded = plugin.load()
        assert plugin.summary(), plugin.name
        if plugin.built_in and isinstance(loaded, type):
            assert plugin_source.documentation(plugin.target) == inspect.cleandoc(loaded.__doc__ or "")
        if plugin.built_in:
            assert plugin.source().is_file()


@pytest.mark.parametrize("text", [
    'class A(\n    B,\n):\n    """Said."""\n', 'class A:\n    """Sa\\x69d."""\n', 'class A:\n    """Said\n\n    "more"."""\n',
    'class AB:\n    """Not this."""\n\n\nclass A(B):\n    """Said."""\n', "class A:\n    'Said.'\n", 'class A: """Said."""\n',
    'class A(B):  # So.\n    """Said."""\n', 'class A:\n    x = 1\n\n\nclass B:\n    """Not this."""\n',
])  # fmt: skip
def test_documentation_is_read_from_a_source_as_python_reads_it(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    name = f"documented_{zlib.crc32(text.encode())}"
    (tmp_path / f"{name}.py").write_text(f'"""A module."""\n{text}')
    scope: dict[str, type] = {"B": object}  # type: ignore[dict-item]
    exec(text, scope)
    assert plugin_source.documentation(f"{name}:A") == inspect.cleandoc(scope["A"].__doc__ or "")


def test_ffl_and_fedavg_are_pipelines() -> None:
    assert registry.load("defenses", "ffl").parts == ("fragment-mixing", "reputation")
    assert isinstance(registry.load("defenses", "fedavg"), Pipeline)


@pytest.mark.parametrize(
    ("kind", "name", "near"), [("defenses", "multikrum", "multi-krum"), ("attacks", "gausian-noise", "gaussian-noise")]
)
def test_an_unknown_name_is_answered_with_the_nearest(kind: str, name: str, near: str) -> None:
    with pytest.raises(UserError, match=f"found '{name}', which is not registered; did you mean {near}"):
        registry.find(kind, name)
    with pytest.raises(UserError, match="`fflbench list models` shows all"):
        registry.find("models", "zzzzzzzz")


def test_a_users_file_registers_by_base_class(tmp_path: Path) -> None:
    path = plugin_file(tmp_path, "mine_ok", '''
        from __future__ import annotations
        from dataclasses import dataclass
        from fflbench.contracts import Aggregate, Aggregator
        from fflbench.registry import register

        @register("first-row")
        @dataclass
        class FirstRow(Aggregator):
            """The first upload. Nothing more."""
            scale: float = 1.0
            def aggregate(self, upload, round):
                return Aggregate(upload.rows[0] * self.scale)
        ''')  # fmt: skip
    found = registry.load_file(path)
    assert [(p.kind, p.name) for p in found] == [("defenses", "first-row")]
    assert registry.load("defenses", "first-row")().scale == 1.0
    assert registry.find("defenses", "first-row").summary() == "The first upload"
    assert registry.find("defenses", "first-row").source() == path
    assert registry.load_file(path) == found, "loading twice is harmless"


@pytest.mark.parametrize(("name", "text", "message"), [
    ("mine_syntax", "def broken(:", "failed to import: SyntaxError"),
    ("mine_import", "import no_such_module_at_all", "failed to import: ModuleNotFoundError: No module named"),
    ("mine_empty", "x = 1", "registers nothing"),
    ("mine_taken", "from fflbench.registry import register\nfrom fflbench.contracts import Aggregator\n"
                   "@register('median')\nclass Median(Aggregator): ...", "'median': the name is taken by fflbench"),
    ("mine_kind", "from fflbench.registry import register\n@register('x')\nclass X: ...", "needs a subclass of an attack"),
])  # fmt: skip
def test_a_file_that_is_no_use_says_why(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        registry.load_file(plugin_file(tmp_path, name, text))
    with pytest.raises(UserError, match="needs a Python file"):
        registry.load_file(tmp_path / "absent.py")


def test_a_broken_installed_plugin_is_listed_and_the_others_work(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = registry.Plugin("defenses", "theirs", "their_package.defense:Theirs", "their-package")
    monkeypatch.setitem(registry._from_files, ("defenses", "theirs"), broken)
    assert "theirs" in registry.plugins("defenses")
    with pytest.raises(UserError, match="'theirs' from their-package is broken: ModuleNotFoundError"):
        registry.load("defenses", "theirs")
    assert registry.load("defenses", "median")


def test_a_broken_metric_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    from fflbench.metrics.scoring import metrics
    from fflbench.runner.sources import engine_digest

    before = engine_digest()
    monkeypatch.setitem(
        registry._from_files, ("metrics", "theirs"), registry.Plugin("metrics", "theirs", "no_such:Thing", "their-package")
    )
    for cached in (metrics, engine_digest):
        cached.cache_clear()
    assert engine_digest() == before
    assert "theirs" not in metrics("poisoning")


def test_a_metric_must_say_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    nameless = registry.Plugin("metrics", "nameless", "fflbench.metric:Metric", "their-package")
    with pytest.raises(UserError, match="does not say its label and better and track"):
        nameless.load()


@pytest.mark.parametrize("name", sorted(registry.plugins("metrics")))
def test_what_a_metric_says_of_itself_is_read_without_importing_it(name: str) -> None:
    names = ("label", "unit", "better", "low", "high")
    plugin = registry.plugins("metrics")[name]
    loaded = plugin.load()
    defaults = {"unit": "", "low": None, "high": None}
    assert defaults | plugin.constants(names) == {one: getattr(loaded, one) for one in names}
