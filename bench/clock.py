"""Seconds spent in each phase of a cell."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Adds up wall-clock seconds by phase; on CUDA it waits for the device at the ends of a phase."""

    def __init__(self, device: str = "cpu") -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._cuda = device.startswith("cuda")

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        self._wait()
        begin = time.perf_counter()
        try:
            yield
        finally:
            self._wait()
            self.seconds[name] += time.perf_counter() - begin

    def _wait(self) -> None:
        if self._cuda:
            import torch

            torch.cuda.synchronize()
