"""One secure aggregation as it happens (Bonawitz et al. 2017, against a server that is curious but keeps to the protocol):
keys, shares, masked updates, unmasking, and faults.

Peers may vanish before every step. Who vanishes before it has shared its secrets took no part; who vanishes later and has
not uploaded is taken out of the sum by what the others hold of its key; who uploaded is in the sum, whatever it does then.
While at least `threshold` peers are there in every step the sum comes out; with fewer there is none, and nobody's update is
shown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from fflbench.contracts import Rng
from fflbench.defenses.faults import Fault, culprits_of
from fflbench.defenses.keys import private_key
from fflbench.defenses.secure_aggregation.fixed_point import Words
from fflbench.defenses.secure_aggregation.messages import Message
from fflbench.defenses.secure_aggregation.peer import Peer, RefusedError, agreed
from fflbench.defenses.secure_aggregation.server import LostError, Server
from fflbench.defenses.wire import Wire


@dataclass
class Aggregation:
    """What came of it: the `total[d]` of the updates of `peers`, or None where there is no sum; what went wrong; the bytes
    that peers sent, by phase."""

    total: Words | None
    peers: tuple[int, ...]
    faults: list[Fault]
    server: Server = field(repr=False)

    @property
    def culprits(self) -> tuple[int, ...]:
        return culprits_of(self.faults)

    @property
    def sent(self) -> dict[str, int]:
        return self.server.received


def aggregate(peers: Sequence[Peer], size: int, wire: Wire | None = None, vanish: Collection[int] = ()) -> Aggregation:
    """Let the peers upload, `size` numbers each, and add up what arrives. Those who `vanish` do so before they upload."""
    return _Round({peer.name: peer for peer in peers}, size, wire or Wire()).run(vanish)


class _Round:
    """The state of one aggregation."""

    def __init__(self, peers: dict[int, Peer], size: int, wire: Wire) -> None:
        self.peers, self.size, self.wire = peers, size, wire
        self.server = Server(next(iter(peers.values())).terms.threshold)
        self.faults: list[Fault] = []

    def run(self, vanish: Collection[int]) -> Aggregation:
        everybody = list(self.peers)
        present = self._step(everybody, lambda peer: peer.advertise(), self._announced, "gave no keys, so it took no part")
        keys = [self.server.keys[name] for name in present]
        shared = self._step(
            present, lambda peer: peer.share(keys), self.server.shares.__contains__, "shared no secrets, so it took no part"
        )
        part = self._without_closed(shared)
        there = [name for name in part if name not in vanish]
        uploaded = self._step(
            there, lambda peer: peer.masked(part), self._whole, "uploaded nothing; the others take its masks off the sum"
        )
        gone = [name for name in part if name not in uploaded]
        self.faults += [Fault(name, "dropped out before it uploaded") for name in part if name in vanish]
        if len(uploaded) < self.server.threshold:
            return self._nothing(f"{len(uploaded)} uploads are fewer than the threshold {self.server.threshold}")
        self._step(uploaded, lambda peer: peer.reveal(uploaded), self.server.revealed.__contains__, "revealed no shares")
        try:
            total, liars = self.server.total(uploaded, gone)
        except LostError:
            return self._nothing("too few shares are there, or right, to take all masks off")
        self.faults += [Fault(name, "revealed wrong shares", name) for name in sorted(liars)]
        return Aggregation(total, tuple(uploaded), self.faults, self.server)

    def _step(
        self, names: Sequence[int], act: Callable[[Peer], Message], arrived: Callable[[int], bool], missing: str
    ) -> list[int]:
        """Let peers do something and send it; returns those of whom it arrived."""
        done = []
        for name in names:
            try:
                message = act(self.peers[name])
            except RefusedError as error:
                self.faults.append(Fault(name, f"refused: {error}"))
                continue
            for found in self.wire.carry(message):
                self.server.take(found)
            if arrived(name):
                done.append(name)
            else:
                self.faults.append(Fault(name, missing))
        return done

    def _announced(self, name: int) -> bool:
        """Whether a peer gave two keys that are keys."""
        announced, probe = self.server.keys.get(name), private_key(Rng(0), 0)
        if announced is None:
            return False
        try:
            for key in (announced.sealing, announced.masking):
                agreed(probe, key)
        except ValueError:
            return False
        return True

    def _without_closed(self, shared: list[int]) -> list[int]:
        """Without those whose shares do not open at somebody. It may be that one who lies: nobody can tell."""
        closed: dict[int, int] = {}
        for name in shared:
            relayed = {sender: sealed for sender, sealed in self.server.relayed(name).items() if sender in shared}
            wanting = [sender for sender in shared if sender != name and sender not in relayed]
            for sender in (*self.peers[name].open(relayed), *wanting):
                closed.setdefault(sender, name)
        for sender, name in sorted(closed.items()):
            self.faults.append(Fault(sender, f"what it shared with {name} does not open, so it took no part"))
        return [name for name in shared if name not in closed]

    def _whole(self, name: int) -> bool:
        """Whether an upload is what one must be; who sent something else is known to have."""
        message = self.server.masked.get(name)
        if message is None:
            return False
        good = message.row.shape == (self.size,) and message.row.dtype == np.uint32
        if not good:
            self.faults.append(Fault(name, "uploaded something that is no update of this round", name))
        return good

    def _nothing(self, why: str) -> Aggregation:
        self.faults.append(Fault(-1, f"no sum: {why}"))
        return Aggregation(None, (), self.faults, self.server)
