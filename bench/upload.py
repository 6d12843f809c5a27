"""What reaches the server in a round, and what the server makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

import torch
from torch import Tensor


class Visibility(IntEnum):
    """What of the peers' updates reaches the server: only their sum, mixtures of several peers, or each one's own."""

    SUM = 0
    MIXED = 1
    INDIVIDUAL = 2


@dataclass(frozen=True)
class Upload:
    """What reached the server: `rows[n, d]`, row i sent by `peers[i]` (with SUM visibility one row, the mean of all).

    `pairs` are the peers that exchanged fragments (the server relays, so it knows); `absent` sat the round out;
    `culprits` are known to have broken a stage's protocol; `sent` counts the bytes that peers sent, by phase; `row_bytes` is
    the size of one row on the wire when a stage compressed it (default: 4 bytes an entry).

    The rows have one owner at a time: a `Stage` or a `PreAggregator` may change those that it gets in place, and hands on
    what it returns. An `Aggregator` only looks.
    """

    rows: Tensor
    peers: tuple[int, ...]
    visibility: Visibility = Visibility.INDIVIDUAL
    pairs: tuple[tuple[int, int], ...] = ()
    absent: tuple[int, ...] = ()
    culprits: tuple[int, ...] = ()
    sent: dict[str, int] = field(default_factory=dict)
    row_bytes: int | None = None

    def row_of(self, peer: int) -> Tensor | None:
        """What the server got from a peer [d]: the sum if that is all it got, None if nothing."""
        if self.visibility is Visibility.SUM:
            return self.rows[0]
        return self.rows[self.peers.index(peer)] if peer in self.peers else None

    def only(self, keep: Sequence[int]) -> Upload:
        """The upload reduced to the rows with these indices, in this order."""
        index = torch.as_tensor(list(keep), dtype=torch.long, device=self.rows.device)
        return replace(self, rows=self.rows[index], peers=tuple(self.peers[i] for i in keep))

    def narrowed(self, keep: Sequence[int]) -> Upload:
        """As `only`, without a copy, for whoever owns the rows: those with these increasing indices move up. The upload that
        it is called on must not be used any more."""
        for place, i in enumerate(keep):
            if place != i:
                self.rows[place] = self.rows[i]
        return replace(self, rows=self.rows[: len(keep)], peers=tuple(self.peers[i] for i in keep))

    def with_sent(self, phase: str, count: int) -> Upload:
        return replace(self, sent={**self.sent, phase: self.sent.get(phase, 0) + count})


@dataclass(frozen=True)
class Aggregate:
    """The server's step `vector[d]` (added to the global parameters) and, where the rule has one, its trust in each
    peer whose row it saw: larger means trusted more."""

    vector: Tensor
    trust: dict[int, float] | None = None
