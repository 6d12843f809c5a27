"""Who works in a results folder: runs that say so, and the cells that each has claimed. Two runs share the work of one
folder, and what a killed run had claimed is free again.

Files are made with exclusive creation, the one thing that every file system, NFS included, promises to do for one process
only. A run on this machine is gone when its process is; one elsewhere when its file has not changed for a while by our own
clock. If a claim is ever taken from a run that was only asleep, a cell is computed twice, with the same result.
"""

from __future__ import annotations

import json
import math
import os
import platform
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

SILENCE = 120.0
"""Seconds without a sign of life after which a run on another machine counts as gone."""

BEAT = 2.0
"""Seconds between two signs of life."""


@dataclass(frozen=True)
class Journal:
    """What a run says of itself: `values` as it wrote them, and whether it is still there."""

    run: str
    values: dict[str, Any]
    alive: bool

    @property
    def who(self) -> str:
        return f"process {self.values['pid']} on {self.values['host']}"


class Presence:
    """One run's place in a results folder."""

    def __init__(self, folder: Path) -> None:
        self.run = uuid.uuid4().hex[:12]
        self._folder, self._path = folder, _runs(folder) / f"{self.run}.json"
        self._about = {"pid": os.getpid(), "host": platform.node(), "place": place(), "born": _born(os.getpid())}
        self._beats, self._next_beat = 0, 0.0
        self._watched: dict[str, tuple[object, float]] = {}

    def beat(self, news: Callable[[], dict[str, Any]], now: bool = False) -> None:
        """A sign of life, with news for `fflbench status`. A disk that is full must not end a run here."""
        if not now and time.monotonic() < self._next_beat:
            return
        self._next_beat, self._beats = time.monotonic() + BEAT, self._beats + 1
        with suppress(OSError):
            text = json.dumps({**self._about, "beat": self._beats, "seen": time.time(), **news()})
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._path.with_suffix(".new")
            temporary.write_text(text)
            temporary.replace(self._path)

    def claim(self, digest: str) -> bool:
        """Whether a cell is ours to compute now. Raises `OSError` when the folder cannot be written to."""
        path = self._claim(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(2):
            with suppress(FileExistsError):
                _write_new(path, self.run)
                return True
            owner = self.owner(digest)
            if owner == self.run:
                return True
            if owner is not None and not self._gone(owner):
                return False
            if owner is not None:
                self._take_from(path, owner)
        return False

    def owner(self, digest: str) -> str | None:
        """The run that has claimed a cell; None if nobody has."""
        try:
            return self._claim(digest).read_text()
        except OSError:
            return None

    def release(self, digest: str) -> None:
        """Give up a claim of ours."""
        if self.owner(digest) == self.run:
            with suppress(OSError):
                self._claim(digest).unlink(missing_ok=True)

    def leave(self, news: dict[str, Any]) -> None:
        """The last sign of life; only the newest few runs of a folder are remembered."""
        self.beat(lambda: {**news, "left": True}, now=True)
        paths = sorted(_runs(self._folder).glob("*.json"), key=lambda path: path.stat().st_mtime)
        for path in paths[:-10]:
            if self._gone(path.stem):
                path.unlink(missing_ok=True)

    def _claim(self, digest: str) -> Path:
        # Beside the records: making it also renews what an NFS client believes to be in that folder.
        return self._folder / "records" / f"{digest}.claim"

    def _gone(self, run: str) -> bool:
        """Whether a run has left, died, or (on another machine) given no sign of life for long enough."""
        values = _read(_runs(self._folder) / f"{run}.json")
        if values.get("left"):
            return True
        if values.get("place") == place():
            return not _runs_still(values)
        sign, now = values.get("beat"), time.monotonic()
        seen, since = self._watched.setdefault(run, (sign, now))
        if seen != sign:
            self._watched[run] = (sign, now)
            return False
        return now - since > SILENCE

    def _take_from(self, path: Path, owner: str) -> None:
        """Remove the claim of a run that is gone; if another run was quicker and it is now its claim, put it back."""
        aside = path.with_suffix(f".{self.run}")
        with suppress(OSError):
            path.rename(aside)
            found = aside.read_text()
            if found != owner:
                _write_new(path, found)
            aside.unlink()


def journals(folder: Path) -> list[Journal]:
    """What the runs of a folder say of themselves, oldest first. A run elsewhere is alive if its last sign is fresh by the
    clock of the machine that wrote it."""
    found = []
    for path in _runs(folder).glob("*.json"):
        values = _read(path)
        if not values:
            continue
        here = values.get("place") == place()
        alive = _runs_still(values) if here else time.time() - values["seen"] < SILENCE
        found.append(Journal(path.stem, values, alive and not values.get("left")))
    return sorted(found, key=lambda journal: float(journal.values.get("started", 0)))


def place() -> str:
    """The machine and, on it, the space in which process numbers mean something: containers have their own."""
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)


def _born(pid: int) -> float:
    """When a process started; never, if it is dead."""
    try:
        process = psutil.Process(pid)
        return process.create_time() if process.status() != psutil.STATUS_ZOMBIE else math.inf
    except psutil.Error:
        return math.inf


def _runs_still(values: dict[str, Any]) -> bool:
    """Whether the process that wrote this on this machine is there: numbers of dead ones are used again, later."""
    return abs(_born(values["pid"]) - float(values["born"])) < 10


def _runs(folder: Path) -> Path:
    return folder / "runs"


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    good = isinstance(values, dict) and isinstance(values.get("pid"), int) and isinstance(values.get("seen"), float)
    return values if good else {}


def _write_new(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
    except OSError:
        path.unlink()  # Of nobody, on a full disk: it would keep everybody away.
        raise
