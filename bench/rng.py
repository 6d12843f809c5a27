"""Randomness from named axes: the same seed and axes give the same draws, whoever asks and in whatever order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Generator
    from torch import device as Device

Axis = tuple[str, int | str]

_text = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True)
class Rng:
    """A place in the tree of random streams.

    >>> rng = Rng(seed=0)
    >>> rng.at("training", round=3, peer=17).numpy().integers(100)
    """

    seed: int
    axes: tuple[Axis, ...] = ()

    def at(self, purpose: str, **axes: int | str) -> Rng:
        """The stream for a purpose, told apart by named axes; their order does not matter."""
        return Rng(self.seed, (*self.axes, ("purpose", purpose), *sorted(axes.items())))

    @property
    def entropy(self) -> int:
        """A 128-bit number that depends on the seed and all axes."""
        return int.from_bytes(hashlib.blake2b(_text([self.seed, self.axes]).encode(), digest_size=16).digest(), "big")

    def numpy(self) -> np.random.Generator:
        """A fresh generator at the start of this stream."""
        return np.random.Generator(np.random.PCG64(self.entropy))

    def torch(self, device: str | Device = "cpu") -> Generator:
        """A fresh torch generator at the start of this stream, on a device."""
        import torch

        generator = torch.Generator(device=device)
        generator.manual_seed(self.entropy % 2**63)
        return generator

    @contextmanager
    def inside_torch(self, device: str | Device = "cpu") -> Iterator[None]:
        """Code that draws from torch's global generator (dropout, initialisers) draws from this stream, and the global
        generator is afterwards as it was."""
        import torch

        device = torch.device(device)
        forked = [device] if device.type in ("cuda", "mps") else []
        with torch.random.fork_rng(devices=forked, device_type=device.type if forked else "cuda"):
            torch.random.set_rng_state(self.torch().get_state())
            if device.type == "cuda":
                torch.cuda.set_rng_state(self.torch(device).get_state(), device)
            elif device.type == "mps":
                torch.mps.set_rng_state(self.torch(device).get_state())
            yield
