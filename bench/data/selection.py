"""Seeded choices of examples: even subsets and splits. The seed is fixed: everybody has the same data."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fflbench.errors import DataError

Indices = npt.NDArray[np.int64]
SPLIT_SEED = 92


def even_subset(targets: npt.NDArray[np.integer], count: int, what: str) -> Indices:
    """`count` indices in increasing order, the classes as even as they can be, each class by a seeded draw.

    When `count` is no multiple of the number of classes, the first classes get one more. Raises `DataError`
    naming `what` when a class has too few examples.
    """
    classes = np.unique(targets)
    generator = np.random.default_rng(SPLIT_SEED)
    chosen = []
    for position, label in enumerate(classes):
        members = np.flatnonzero(targets == label)
        share = count // len(classes) + (position < count % len(classes))
        if share > len(members):
            raise DataError(f"{what}: found {count}, needs at most {len(members)} of class {label}, "
                            f"{len(members) * len(classes)} in all")  # fmt: skip
        chosen.append(generator.permutation(members)[:share])
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def split(count: int, train_share: float) -> tuple[Indices, Indices]:
    """Training and test indices: the first `floor(count * train_share)` of a seeded permutation; the rest."""
    order = np.random.default_rng(SPLIT_SEED).permutation(count)
    cut = int(count * train_share)
    return order[:cut].astype(np.int64), order[cut:].astype(np.int64)


def stratified_split(targets: npt.NDArray[np.integer], train_share: float) -> tuple[Indices, Indices]:
    """Like `split`, class by class, so that both parts have the classes of the whole; in increasing order."""
    generator = np.random.default_rng(SPLIT_SEED)
    train, test = [], []
    for label in np.unique(targets):
        members = generator.permutation(np.flatnonzero(targets == label))
        cut = int(len(members) * train_share)
        train.append(members[:cut])
        test.append(members[cut:])
    return np.sort(np.concatenate(train)).astype(np.int64), np.sort(np.concatenate(test)).astype(np.int64)
