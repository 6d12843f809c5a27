"""Who takes part in each round of the FFL authors' own runs, and who of them attacks: drawn again as their code draws, whose
notebooks all set the seed to 7. The draws come out as the notebooks' logs show them in every round that was logged before
peers are asked by reputation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

SEED, PEERS, TAKING_PART = 7, 20, 10
ATTACKERS = {"adult": (6, 10, 11, 19), "mnist": (1, 2, 11, 19), "imdb": (1, 6, 12, 16)}
"""The attackers' numbers in the logs."""
CLASSES = {"adult": 2, "mnist": 10, "imdb": 2}


@cache
def authors_rounds(benchmark: str, rounds: int, pairing: bool = False) -> list[tuple[int, ...]]:
    """The peers of each round under label flipping, for the rules that ask anybody; with `pairing` for FFL, as long as it
    asks and pairs anybody."""
    random, attackers = np.random.RandomState(SEED), ATTACKERS[benchmark]
    for _ in range(CLASSES[benchmark]):
        random.dirichlet([1_000_000] * PEERS)  # How many examples of a class each peer gets.
    found = []
    for _ in range(rounds):
        peers = tuple(random.choice(PEERS, TAKING_PART, replace=False).tolist())
        random.random_sample(sum(peer in attackers for peer in peers))  # Each attacker's decision to attack.
        for left in range(TAKING_PART, 0, -2) if pairing else ():
            random.choice(left, 2, replace=False)
        found.append(peers)
    return found


def renumbered(benchmark: str, peers: Sequence[int], members: Sequence[int]) -> tuple[int, ...]:
    """Peers of theirs as peers of a run of ours, whose attackers are the `members`."""
    number = dict(zip(_first(ATTACKERS[benchmark]), _first(members), strict=True))
    return tuple(sorted(number[peer] for peer in peers))


def _first(members: Sequence[int]) -> list[int]:
    """All peers, those first."""
    return [*members, *(peer for peer in range(PEERS) if peer not in members)]
