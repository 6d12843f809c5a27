"""Who exchanges with whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import comb, isqrt

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
    paired: set[int] = set()
    pairs = list[Pair]()
    for index in generator.permutation(comb(len(peers), 2)):
        k, j = combination(peers, int(index))
        if k not in paired and j not in paired and agree(k, j) and agree(j, k):
            pairs.append((k, j))
            paired |= {k, j}
            if len(peers) - len(paired) < 2:
                break
    return pairs


def combination(peers: Sequence[int], index: int) -> Pair:
    """The pair at this place among `itertools.combinations(peers, 2)`, without going through those before it."""
    n = len(peers)
    left = comb(n, 2) - 1 - index  # How many pairs come after it.
    rows_after = (isqrt(8 * left + 1) - 1) // 2  # How many later peers are the first of a pair.
    first = n - 2 - rows_after
    return peers[first], peers[n - 1 - (left - comb(rows_after + 1, 2))]
