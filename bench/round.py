"""A round as everybody who takes part in it sees it: the task, the attackers, the state of play."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from fflbench.dataset import DataKind
from fflbench.errors import UserError
from fflbench.layout import Layout
from fflbench.rng import Rng
from fflbench.upload import Aggregate


@dataclass(frozen=True)
class TaskView:
    """What everybody may know of a task. `root_examples` is how many clean examples the server holds itself; `vocabulary` is
    the number of token ids of a text task (0 is padding, 1 unknown, then words from frequent to rare); `levels[feature]`
    are the values that a categorical feature of a table takes, () for a number."""

    kind: DataKind
    classes: tuple[str, ...]
    input_shape: tuple[int, ...]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    peers: int = 0
    rounds: int = 0
    root_examples: int = 0
    vocabulary: int = 0
    levels: tuple[tuple[float, ...], ...] = ()

    def normalise(self, inputs: Tensor) -> Tensor:
        """Images [n, c, h, w] from [0, 1] to what the model is fed; other data are passed on."""
        if self.kind != "image":
            return inputs
        return (inputs - _channels(self.mean, inputs)) / _channels(self.std, inputs)

    def denormalise(self, inputs: Tensor) -> Tensor:
        """Back to data range."""
        if self.kind != "image":
            return inputs
        return inputs * _channels(self.std, inputs) + _channels(self.mean, inputs)

    def class_index(self, name: int | str, owner: str) -> int:
        """The index of a class given by index or name; `owner` says in the error which field asked."""
        index = self.classes.index(name) if name in self.classes else name
        if not isinstance(index, int) or not 0 <= index < len(self.classes):
            raise UserError(f"{owner}: found {name!r}, needs 0 to {len(self.classes) - 1} or one of "
                            f"{', '.join(self.classes)}")  # fmt: skip
        return index


def _channels(values: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(values, device=like.device, dtype=like.dtype).view(1, -1, 1, 1)


@dataclass(frozen=True)
class Coalition:
    """Who attacks, when, and how they upload: `members` are peers; `strategy` S1 sends what the defense's stages
    made of an attacker's update, S2 takes part in the exchange and then sends the attacker's own update. With
    `rotating` another `share` of the round's peers is drawn from the members every round."""

    members: tuple[int, ...]
    start: int = 0
    end: int | None = None
    strategy: Literal["S1", "S2"] = "S1"
    rotating: bool = False
    share: float = 0.0

    def active(self, index: int) -> bool:
        """Whether round `index` is attacked."""
        return self.start <= index and (self.end is None or index < self.end)

    def acting(self, index: int, peers: Sequence[int], rng: Rng) -> Coalition:
        """Those of the round's `peers` that attack in it."""
        members = set(self.members) if self.active(index) else set()
        here = [peer for peer in peers if peer in members]
        if self.rotating:
            drawn = rng.numpy().permutation(here)[: int(self.share * len(peers) + 1e-9)]
            here = sorted(drawn.tolist())
        return replace(self, members=tuple(here))


@dataclass
class Round:
    """One round as stages, aggregators and attacks see it.

    `peers[i]` trained row i; `tolerated` is the number of attackers among them that the defense is asked to survive;
    `weights[k]` is the number of examples of peer k; `consents(k, j)` says whether peer k would exchange with peer j
    (the aggregator's word). `coalition` holds the attackers of this round. `rehearse(rows)` runs the whole defense on
    a copy of other rows [m, d] without changing its state, for adaptive attacks. `root_update()` trains on the server's own
    examples as a peer would and returns the update [d]; it is None where the task has no root data.
    """

    index: int
    total: int
    peers: tuple[int, ...]
    global_vector: Tensor
    layout: Layout
    rng: Rng
    task: TaskView
    tolerated: int = 0
    weights: dict[int, int] = field(default_factory=dict)
    consents: Callable[[int, int], bool] = lambda peer, partner: True
    coalition: Coalition = field(default_factory=lambda: Coalition(()))
    rehearse: Callable[[Tensor], Aggregate] | None = None
    root_update: Callable[[], Tensor] | None = None

    def arrange(self, malicious: Tensor, honest: Tensor) -> Tensor:
        """All rows [m, d] in the order of `peers`, from the attackers' [b, d] and the others' [h, d]."""
        members = set(self.coalition.members)
        attacking = torch.tensor([peer in members for peer in self.peers], device=malicious.device)
        rows = malicious.new_empty(len(self.peers), malicious.shape[1])
        rows[attacking], rows[~attacking] = malicious, honest
        return rows
