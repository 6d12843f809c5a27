"""The data sets' own servers, as torchvision knows them. Without internet this fails within seconds."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fflbench.data.archives import read_members
from fflbench.data.clients import RoadClosed
from fflbench.data.sources import CIFAR10_FILES, IDX_FILES

if TYPE_CHECKING:
    from torchvision.datasets import MNIST

CONNECT_SECONDS = 5.0
STALL_SECONDS = 30.0
OFFERED = ("mnist", "fashion-mnist", "cifar10")
_CIFAR10_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"


def from_torchvision(name: str, folder: Path) -> dict[str, bytes]:
    """The files of a data set by torchvision's download, in a temporary place below `folder`.

    Raises `RoadClosed` when torchvision does not offer it or no server answers within `CONNECT_SECONDS`.
    """
    if name not in OFFERED:
        raise RoadClosed("torchvision does not offer it")
    read = {"mnist": _mnist, "fashion-mnist": _fashion_mnist, "cifar10": _cifar10}[name]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as temporary, _quiet_and_impatient():
        try:
            return read(Path(temporary))
        except ImportError as error:
            raise RoadClosed(f"torchvision cannot be imported ({error})") from None
        except (OSError, RuntimeError, http.client.HTTPException) as error:
            raise RoadClosed(f"torchvision's download failed ({_first_line(error)})") from None


def _mnist(root: Path) -> dict[str, bytes]:
    from torchvision.datasets import MNIST

    return _idx_files(MNIST, root)


def _fashion_mnist(root: Path) -> dict[str, bytes]:
    from torchvision.datasets import FashionMNIST

    return _idx_files(FashionMNIST, root)


def _idx_files(dataset: type[MNIST], root: Path) -> dict[str, bytes]:
    _require_answer([mirror + dataset.resources[0][0] for mirror in dataset.mirrors])
    dataset(str(root), train=True, download=True)
    return {name: (root / dataset.__name__ / "raw" / name).read_bytes() for name in IDX_FILES}


def _cifar10(root: Path) -> dict[str, bytes]:
    """torchvision's class reads pickles: only its downloader is used, on the binary version beside them."""
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import download_url

    url = CIFAR10.url.replace("python", "binary")
    _require_answer([url])
    download_url(url, str(root), "cifar10.tar.gz", md5=_CIFAR10_MD5)
    members = {name: f"cifar-10-batches-bin/{name}" for name in CIFAR10_FILES}
    found = read_members(root / "cifar10.tar.gz", members.values())
    return {name: found[member] for name, member in members.items()}


def _require_answer(urls: list[str]) -> None:
    """torchvision retries and waits without limit, so ask first whether anybody answers."""
    reason = "no server is known"
    for url in urls:
        try:
            request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "fflbench"})
            with urllib.request.urlopen(request, timeout=CONNECT_SECONDS):
                return
        except (OSError, http.client.HTTPException) as error:
            reason = _first_line(error)
    raise RoadClosed(f"torchvision's servers do not answer ({reason})")


@contextlib.contextmanager
def _quiet_and_impatient() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALL_SECONDS)
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        socket.setdefaulttimeout(before)


def _first_line(error: BaseException) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return (str(reason) or type(error).__name__).splitlines()[0]
