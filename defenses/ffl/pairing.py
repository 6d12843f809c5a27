"""Who exchanges with whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np

Agree = Callable[[int, int], bool]
Pair = tuple[int, int]


def draw_pairs(peers: Sequence[int], agree: Agree, generator: np.random.Generator, draws: int) -> list[Pair]:
    """At most `draws` times draw two unpaired peers; they pair up if both agree (the FFL authors' procedure)."""
    free, pairs = list(peers), list[Pair]()
    for _ in range(draws):
        if len(free) < 2:
            break
        first, second = sorted(generator.choice(len(free), size=2, replace=False).tolist())
        k, j = free[first], free[second]
        if agree(k, j) and agree(j, k):
            pairs.append((k, j))
            free = [peer for peer in free if peer not in (k, j)]
    return pairs


def complete_pairs(peers: Sequence[int], agree: Agree, generator: np.random.Generator) -> list[Pair]:
    """Go through all pairs in random order, so that in the end no two unpaired peers agree to exchange."""
    every = list(combinations(peers, 2))
    paired: set[int] = set()
    pairs = list[Pair]()
    for index in generator.permutation(len(every)):
        k, j = every[index]
        if k not in paired and j not in paired and agree(k, j) and agree(j, k):
            pairs.append((k, j))
            paired |= {k, j}
    return pairs
