"""A cell's state on disk: written now and then, read once, gone when the cell is done."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from fflbench.keeper import Keeper
from fflbench.records import atomically
from fflbench.state import NotKeepableError, read_state, write_state

log = logging.getLogger("fflbench.cell")

SHARE = 0.02
"""Of a cell's time that writing its state may take."""


class Checkpoint(Keeper):
    """Keeps a cell's state in one file. It is due every `interval` seconds, or later where writing takes long. A state that
    cannot be written or read costs time, never the cell: it is said in the cell's log."""

    def __init__(self, path: Path, interval: float, device: torch.device) -> None:
        self._path, self._interval, self._device = path, interval, device
        self._next = time.monotonic() + interval

    def due(self) -> bool:
        return time.monotonic() >= self._next

    def save(self, state: Mapping[str, Any]) -> None:
        begin = time.monotonic()
        try:
            with atomically(self._path) as file:
                write_state(file, {"resumed": self.resumed, **state})
        except NotKeepableError as reason:
            log.info("no checkpoints: %s, which cannot be kept in a file", reason)
            self._interval = float("inf")
        except OSError as error:
            log.info("no checkpoint this time: %s", error)
        end = time.monotonic()
        self._next = end + max(self._interval, (end - begin) / SHARE)

    def load(self) -> dict[str, Any] | None:
        try:
            with self._path.open("rb") as file:
                state = read_state(file, self._device)
            self.resumed = state.pop("resumed") + 1
            return state
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError) as error:
            log.info("the checkpoint cannot be read (%s): from the start again", error)
            return None

    def drop(self) -> None:
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            log.info("the checkpoint could not be removed: %s", error)
