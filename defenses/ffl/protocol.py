"""One exchange of fragments as it happens: keys, sealed fragments over a relaying server, mixed uploads, and faults.

Nothing is mixed before both of a pair hold the other's fragment, so a pair exchanges whole or not at all. Whoever is left
without a partner by another's fault is paired again, with new keys. What still goes wrong is written down as a `Fault`, with
the culprit where one is known: the server sees who stays silent, and a fragment that opens is its sender's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fflbench.defenses.faults import Fault, culprits_of
from fflbench.defenses.ffl.envelope import Fragment, UnopenedError
from fflbench.defenses.ffl.pairing import Pair
from fflbench.defenses.ffl.peer import Announcement, GarbageError, Mixed, Peer
from fflbench.defenses.ffl.server import Message, Server
from fflbench.defenses.wire import Wire

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

LOST = "its half of the pair's updates is lost"

ATTEMPTS = 3
"""How often those who were left without a partner are paired again, the first time included."""


@dataclass
class Exchange:
    """What came of it: mixed rows by peer, who exchanged with whom, what went wrong, the bytes sent by phase."""

    rows: dict[int, Tensor]
    pairs: list[Pair]
    faults: list[Fault]
    sent: dict[str, int]
    server: Server = field(default_factory=Server)

    @property
    def culprits(self) -> tuple[int, ...]:
        return culprits_of(self.faults)


def exchange(
    peers: Sequence[Peer],
    pair_up: Callable[[Sequence[int], int], list[Pair]],
    new_key: Callable[[int, int], X25519PrivateKey],
    wire: Wire | None = None,
    server: Server | None = None,
) -> Exchange:
    """Let the peers exchange and upload. `pair_up(free, attempt)` says who meets whom, `new_key(peer, attempt)` gives the
    key of a further attempt."""
    round_ = _Round(wire or Wire(), server or Server())
    free = {peer.name: peer for peer in peers}
    for attempt in range(ATTEMPTS):
        if attempt:
            terms = {name: replace(peer.terms, attempt=attempt) for name, peer in free.items()}
            free = {name: peer.again(terms[name], new_key(name, attempt)) for name, peer in free.items()}
        present = round_.announced(free.values())
        free = {name: free[name] for name in present}
        failed = [pair for pair in pair_up(tuple(free), attempt) if not round_.met(free[pair[0]], free[pair[1]])]
        for name in (*round_.exchanged, *round_.expelled):
            free.pop(name, None)
        if not failed:
            break
    round_.collect()
    return Exchange(round_.rows(), round_.pairs, round_.faults, round_.server.received, round_.server)


class _Round:
    """The state of one exchange."""

    def __init__(self, wire: Wire, server: Server) -> None:
        self.wire, self.server = wire, server
        self.pairs: list[Pair] = []
        self.faults: list[Fault] = []
        self.exchanged: dict[int, Peer] = {}
        self.expelled: set[int] = set()

    def announced(self, peers: Iterable[Peer]) -> list[int]:
        """Those whose key reached the server. Of the others nothing is known but their silence, and they did no harm."""
        present = []
        for peer in peers:
            self._send(peer.announce())
            known = self.server.keys.get(peer.name)
            if known is not None and (known.round, known.attempt) == (peer.terms.round, peer.terms.attempt):
                present.append(peer.name)
            else:
                self.faults.append(Fault(peer.name, "gave no key, so it took no part"))
        return present

    def met(self, first: Peer, second: Peer) -> bool:
        """Whether the two exchanged; if not, why is written down, and whose fault it is takes no further part."""
        before = len(self.faults)
        for peer, other in ((first, second), (second, first)):
            self._agree(peer, self.server.keys[other.name])
        if len(self.faults) == before:
            arrived = {peer.name: self._send(peer.fragment()) for peer in (first, second)}
            for peer, other in ((first, second), (second, first)):
                self._open(peer, other, arrived[other.name])
        if len(self.faults) > before:
            return False
        first.mix()
        second.mix()
        self.pairs.append((first.name, second.name))
        self.exchanged |= {first.name: first, second.name: second}
        return True

    def collect(self) -> None:
        """All uploads of those who exchanged."""
        for name, peer in self.exchanged.items():
            arrived = [message for message in self._send(peer.upload()) if isinstance(message, Mixed)]
            mine = [message for message in arrived if message.sender == name]
            if not mine:
                self._blame(name, f"uploaded nothing after the exchange; {LOST}")
            elif len(mine) > 1:
                self._blame(name, "uploaded more than once; the first counts")

    def rows(self) -> dict[int, Tensor]:
        """The uploads that are what an upload must be."""
        good = {}
        for name, peer in self.exchanged.items():
            message = self.server.mixed.get(name)
            if message is None:
                continue
            row = message.row
            if message.round != peer.terms.round or row.shape != (peer.terms.size,) or row.dtype != torch.float32:
                self._blame(name, f"uploaded something that is no update of this round; {LOST}")
            else:
                good[name] = row
        return good

    def _agree(self, peer: Peer, announcement: Announcement) -> None:
        try:
            peer.meet(announcement)
        except UnopenedError as error:
            self.faults.append(Fault(peer.name, f"could not meet {announcement.sender}: {error}"))

    def _open(self, peer: Peer, other: Peer, arrived: Sequence[Message]) -> None:
        fragments = [message for message in arrived if isinstance(message, Fragment)]
        if not fragments:
            self._blame(other.name, f"got no fragment from {other.name}", peer.name)
            return
        try:
            peer.receive(fragments[0])  # The same thing twice does no harm; another thing in its place does not open.
        except UnopenedError as error:
            self.faults.append(Fault(peer.name, f"the fragment from {other.name} {error}"))
        except GarbageError as error:
            self._blame(other.name, f"the fragment from {other.name} {error}", peer.name)

    def _blame(self, culprit: int, what: str, peer: int | None = None) -> None:
        self.faults.append(Fault(culprit if peer is None else peer, what, culprit))
        self.expelled.add(culprit)

    def _send(self, message: Message) -> Sequence[Message]:
        arrived = self.wire.carry(message)
        for found in arrived:
            self.server.take(found)
        return arrived
