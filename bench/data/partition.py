"""Deals training examples to peers: evenly, or skewed in their labels or their numbers."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from fflbench.errors import DataError

Indices = npt.NDArray[np.int64]
ATTEMPTS = 200


class Partition(BaseModel):
    """How the training examples are divided among the peers.

    - `iid`: at random, sizes differ by at most one.
    - `dirichlet`: each class is divided by a Dirichlet(`alpha`) draw; small `alpha` means few classes a peer.
      Drawn again (up to `ATTEMPTS` times) until every peer has `minimum` examples.
    - `classes`: every peer holds `classes_per_peer` classes, each class is divided evenly among its holders,
      and classes have equally many holders up to one. Classes that nobody holds (few peers, many classes) are
      left out.
    - `quantity`: classes at random, sizes by a Dirichlet(`alpha`) draw above `minimum`.

    >>> Partition(kind="dirichlet", alpha=0.3)
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: Literal["iid", "dirichlet", "classes", "quantity"] = "iid"
    alpha: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)] = 0.5
    classes_per_peer: Annotated[int, Field(ge=1)] = 2
    minimum: Annotated[int, Field(ge=1)] = 1


def partition(
    targets: npt.NDArray[np.integer], peers: int, generator: np.random.Generator, config: Partition
) -> list[Indices]:
    """For each peer the increasing indices of its examples; together disjoint, and all of them unless
    `Partition` says otherwise. `targets` are class numbers [n].

    Raises `DataError` with the remedy when the examples cannot give every peer `config.minimum` of them.
    """
    if targets.ndim != 1 or targets.dtype.kind not in "iu":
        raise DataError(f"partition: found targets {targets.dtype} {list(targets.shape)}, needs integers [n]")
    if peers < 1:
        raise DataError(f"partition: found {peers} peers, needs at least 1")
    if peers * config.minimum > len(targets):
        raise DataError(
            f"partition: found {len(targets)} examples for {peers} peers, needs {peers * config.minimum} "
            f"(minimum {config.minimum}): use fewer peers or more examples"
        )
    deal = {"iid": _iid, "dirichlet": _dirichlet, "classes": _classes, "quantity": _quantity}[config.kind]
    return [np.sort(part).astype(np.int64) for part in deal(targets, peers, generator, config)]


def _iid(
    targets: npt.NDArray[np.integer], peers: int, generator: np.random.Generator, config: Partition
) -> list[npt.NDArray[np.integer]]:
    return np.array_split(generator.permutation(len(targets)), peers)


def _dirichlet(
    targets: npt.NDArray[np.integer], peers: int, generator: np.random.Generator, config: Partition
) -> list[npt.NDArray[np.integer]]:
    members = [generator.permutation(np.flatnonzero(targets == label)) for label in np.unique(targets)]
    for _ in range(ATTEMPTS):
        shares = generator.dirichlet(np.full(peers, config.alpha), size=len(members))
        cuts = [_cuts(share, len(member)) for share, member in zip(shares, members, strict=True)]
        sizes = sum(np.diff(cut, prepend=0, append=len(m)) for cut, m in zip(cuts, members, strict=True))
        if np.min(sizes) >= config.minimum:
            divided = [np.split(member, cut) for member, cut in zip(members, cuts, strict=True)]
            return [np.concatenate([part[peer] for part in divided]) for peer in range(peers)]
    raise DataError(
        f"partition.alpha: found {config.alpha:g}, and {ATTEMPTS} draws left one of {peers} peers with fewer "
        f"than {config.minimum} of {len(targets)} examples: raise alpha or use fewer peers"
    )


def _classes(
    targets: npt.NDArray[np.integer], peers: int, generator: np.random.Generator, config: Partition
) -> list[npt.NDArray[np.integer]]:
    labels = np.unique(targets)
    if config.classes_per_peer > len(labels):
        raise DataError(
            f"partition.classes_per_peer: found {config.classes_per_peer}, needs at most {len(labels)}, "
            "the number of classes"
        )
    holders: list[list[int]] = [[] for _ in labels]
    for peer in range(peers):
        crowding = np.array([len(held) for held in holders]) + generator.random(len(labels))
        for position in np.argsort(crowding)[: config.classes_per_peer]:
            holders[position].append(peer)
    parts: list[list[npt.NDArray[np.integer]]] = [[] for _ in range(peers)]
    for label, held in zip(labels, holders, strict=True):
        if held:
            pieces = np.array_split(generator.permutation(np.flatnonzero(targets == label)), len(held))
            for peer, piece in zip(held, pieces, strict=True):
                parts[peer].append(piece)
    dealt = [np.concatenate(pieces) for pieces in parts]
    smallest = min(len(part) for part in dealt)
    if smallest < config.minimum:
        raise DataError(
            f"partition: a peer got {smallest} examples of its {config.classes_per_peer} classes, needs "
            f"{config.minimum}: raise classes_per_peer or use fewer peers"
        )
    return dealt


def _quantity(
    targets: npt.NDArray[np.integer], peers: int, generator: np.random.Generator, config: Partition
) -> list[npt.NDArray[np.integer]]:
    spare = len(targets) - peers * config.minimum
    cuts = _cuts(generator.dirichlet(np.full(peers, config.alpha)), spare)
    return np.split(generator.permutation(len(targets)), cuts + config.minimum * np.arange(1, peers))


def _cuts(shares: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.int64]:
    """Where to cut `count` things so that the pieces have these shares, each size rounded by less than
    one."""
    return np.rint(np.cumsum(shares)[:-1] * count).clip(0, count).astype(np.int64)
