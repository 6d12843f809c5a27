"""What the peers train on, prepared when a peer trains: most of many peers never do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from fflbench.contracts import Coalition, Examples, PoisoningAttack
from fflbench.federation.task import Task
from fflbench.rng import Rng

Indices = np.ndarray[Any, Any]


KEPT = 0.05
"""Of a GPU's free memory: training data that take no more than this stay there."""


class Holdings:
    """`holdings[k]` are peer k's examples, normalised and on the device; `shares[k]` says which of the training data."""

    def __init__(self, task: Task, shares: Sequence[Indices], device: torch.device) -> None:
        self.task, self.shares, self.device = task, shares, device
        self._kept: dict[int, Examples] | None = {} if _stay(task, device) else None

    def __len__(self) -> int:
        return len(self.shares)

    def __getitem__(self, peer: int) -> Examples:
        if self._kept is None:
            return self.task.prepared(self.raw(peer), self.device)
        if peer not in self._kept:
            self._kept[peer] = self.task.prepared(self.raw(peer), self.device)
        return self._kept[peer]

    def raw(self, peer: int) -> Examples:
        """A peer's examples in data range."""
        return self.task.data.train[torch.from_numpy(self.shares[peer])]


class PoisonedHoldings:
    """The same of the coalition's members after the attack changed their examples, which it does once for each: they are
    kept."""

    def __init__(self, holdings: Holdings, attack: PoisoningAttack, coalition: Coalition, rng: Rng) -> None:
        self.holdings, self.attack, self.coalition, self.rng = holdings, attack, coalition, rng
        self._kept: dict[int, Examples] = {}

    def __getitem__(self, peer: int) -> Examples:
        if peer not in self._kept:
            task, stream = self.holdings.task, self.rng.at("poison-examples", peer=peer)
            changed = self.attack.poison_examples(self.holdings.raw(peer), peer, self.coalition, task.view, stream)
            self._kept[peer] = task.prepared(changed, self.holdings.device)
        return self._kept[peer]


def _stay(task: Task, device: torch.device) -> bool:
    """Whether the training data may stay on a GPU."""
    if device.type != "cuda":
        return False
    train = task.data.train.inputs
    return train.numel() * train.element_size() <= KEPT * torch.cuda.mem_get_info(device)[0]
