"""torchvision's own download, against a server on this machine that stands where the data sets' servers stand."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets

from fflbench.data import mirrors
from fflbench.data.clients import RoadClosed
from fflbench.data.fetch import fetch
from fflbench.data.idx import encode_idx
from fflbench.data.mirrors import from_torchvision
from fflbench.data.sources import CIFAR10_FILES, IDX_FILES
from fflbench.errors import DataError


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A folder and the address under which it is served."""
    monkeypatch.setenv("no_proxy", "*")
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@pytest.fixture
def mnist(served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Four small files served as MNIST's."""
    folder, address = served
    shapes = ((20, 28, 28), (20,), (10, 28, 28), (10,))
    files = {name: encode_idx(np.ones(shape, np.uint8)) for name, shape in zip(IDX_FILES, shapes, strict=True)}
    packed = {f"{name}.gz": gzip.compress(data) for name, data in files.items()}
    for name, data in packed.items():
        (folder / name).write_bytes(data)
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [address])
    resources = [(name, md5(data)) for name, data in packed.items()]
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)
    return files


def test_mnist_by_torchvision(mnist: dict[str, bytes], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert from_torchvision("mnist", tmp_path / "data") == mnist
    assert list((tmp_path / "data").iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_files_that_are_not_mnist_are_refused_whatever_the_server_says(mnist: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte: found SHA-256 \w{64}, needs ba891046"):
        fetch("mnist", tmp_path / "data", lambda line: None, roads=("torchvision",))
    assert not (tmp_path / "data" / "mnist").exists()


def test_a_file_that_fails_torchvisions_own_check_closes_the_road(
    mnist: dict[str, bytes], served: tuple[Path, str], tmp_path: Path
) -> None:
    (served[0] / "t10k-labels-idx1-ubyte.gz").write_bytes(b"cut off")
    with pytest.raises(RoadClosed, match=r"torchvision's download failed \(.+\)"):
        from_torchvision("mnist", tmp_path / "data")


def test_cifar10_by_torchvision_is_the_binary_version(
    served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = served
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name in CIFAR10_FILES:
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            entry.size = len(name)
            tar.addfile(entry, io.BytesIO(name.encode()))
    (folder / "cifar-10-binary.tar.gz").write_bytes(stream.getvalue())
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", f"{address}cifar-10-python.tar.gz")
    monkeypatch.setattr(mirrors, "_CIFAR10_MD5", md5(stream.getvalue()))
    found = from_torchvision("cifar10", tmp_path / "data")
    assert found == {name: name.encode() for name in CIFAR10_FILES}


def test_a_server_without_the_file_closes_the_road(
    served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", f"{served[1]}cifar-10-python.tar.gz")
    with pytest.raises(RoadClosed, match=r"servers do not answer \(File not found\)"):
        from_torchvision("cifar10", tmp_path / "data")


def test_adult_is_not_torchvisions(tmp_path: Path) -> None:
    with pytest.raises(RoadClosed, match="torchvision does not offer it"):
        from_torchvision("adult", tmp_path)
