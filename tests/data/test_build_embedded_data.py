"""The check that the embedded data are what a rebuild gives."""

from __future__ import annotations

import importlib.util
import lzma
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from fflbench.data import storage

TOOL = Path(__file__).resolve().parents[2] / "tools" / "build_embedded_data.py"


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, looking at a copy of the embedded folder."""
    spec = importlib.util.spec_from_file_location("build_embedded_data", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    shutil.copytree(storage.EMBEDDED, tmp_path / "embedded")
    monkeypatch.setattr(module, "EMBEDDED", tmp_path / "embedded")
    return module


def rebuilt() -> dict[str, bytes]:
    """What a faultless rebuild gives: the committed contents."""
    names = storage.read_manifest(storage.EMBEDDED / storage.MANIFEST)
    stored = {name: (storage.EMBEDDED / name).read_bytes() for name in names}
    return {n.removesuffix(".xz"): lzma.decompress(d) if n.endswith(".xz") else d for n, d in stored.items()}


def test_equal_contents_pass(tool: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.check(rebuilt()) == 0
    assert capsys.readouterr().out.count(": same\n") == 9


def test_every_kind_of_difference_is_counted(tool: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    (tool.EMBEDDED / "adult" / "adult.data.xz").unlink()
    (tool.EMBEDDED / "photographs" / "photographs-idx4-ubyte.xz").write_bytes(b"not what it was")
    files = rebuilt() | {"NOTICE.md": b"another", "new/file": b"x"}
    files["adult/adult.test"] += b"\n"
    del files["movie-snippets/movieReviewSnippets_GroundTruth.txt"]
    assert tool.check(files) == 6
    out = capsys.readouterr().out
    assert "adult/adult.data.xz: DIFFERENT: it is missing" in out
    assert "adult/adult.test.xz: DIFFERENT: content" in out
    assert "movieReviewSnippets_GroundTruth.txt.xz: DIFFERENT: only SHA256SUMS has it" in out
    assert "new/file.xz: DIFFERENT: only the rebuild has it" in out
    assert "photographs-idx4-ubyte.xz: DIFFERENT: found SHA-256" in out


def test_writing_gives_what_is_committed(tool: ModuleType) -> None:
    small = {name: data for name, data in rebuilt().items() if name.startswith(("photographs", "NOTICE"))}
    tool.write(small)
    digests = storage.read_manifest(tool.EMBEDDED / storage.MANIFEST)
    assert set(digests) == {"NOTICE.md", "photographs/photographs-idx4-ubyte.xz"}
    assert tool.check(small) == 0
