"""A temporary folder of a process that may be killed at any time: what the dead left is removed by the next."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

PREFIX = f"fflbench-{os.getuid()}-"


class Scratch:
    """A folder of this process. Its lock file is locked as long as the process lives, whatever ends it."""

    def __init__(self) -> None:
        _sweep()
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = _lock(self.folder)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock:
            self._lock.close()


def _lock(folder: Path) -> BinaryIO | None:
    """The folder's lock, now held; None if another process holds it."""
    file = (folder / ".lock").open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def _sweep() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            # A folder without its lock file is being made right now.
            if (folder / ".lock").is_file() and (lock := _lock(folder)):
                shutil.rmtree(folder, ignore_errors=True)
                lock.close()
