"""What can go wrong in a secure aggregation. The tests try each, and tools/build_protocol.py writes what came of it into
docs/protocol.md."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fflbench.contracts import Rng
from fflbench.defenses.secure_aggregation.fixed_point import decode, encode
from fflbench.defenses.secure_aggregation.messages import Masked, Message, PublicKeys, Revealed, SealedShares
from fflbench.defenses.secure_aggregation.peer import Peer, Terms
from fflbench.defenses.secure_aggregation.protocol import Aggregation, aggregate
from fflbench.defenses.wire import Wire

SIZE, PEERS, THRESHOLD, BOUND = 60, 7, 4, 8.0
VICTIM = 1


def rows_of(count: int = PEERS, size: int = SIZE, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(count, size)).astype(np.float32)


def peers_of(
    rows: NDArray[np.float32], members: dict[int, type[Peer]] | None = None, threshold: int = THRESHOLD, seed: int = 0
) -> list[Peer]:
    terms, kinds = Terms(5, threshold), members or {}
    return [kinds.get(name, Peer)(name, encode(row, BOUND, len(rows))[0], terms, Rng(seed)) for name, row in enumerate(rows)]


def run(rows: NDArray[np.float32], members: dict[int, type[Peer]] | None = None, wire: Wire | None = None,
        threshold: int = THRESHOLD, vanish: Collection[int] = ()) -> Aggregation:  # fmt: skip
    return aggregate(peers_of(rows, members, threshold), rows.shape[1], wire, vanish)


def sum_of(done: Aggregation, count: int = PEERS) -> NDArray[np.float64]:
    assert done.total is not None
    return decode(done.total, BOUND, count)


class Losing(Wire):
    """Loses all messages of a kind that some peers send."""

    def __init__(self, kind: type, *senders: int) -> None:
        self.kind, self.senders = kind, senders

    def carry(self, message: Any) -> Sequence[Any]:
        return () if isinstance(message, self.kind) and message.sender in self.senders else (message,)


class Changing(Wire):
    """Does something to the messages of a kind that a peer sends."""

    def __init__(self, kind: type, how: Callable[[Any], Sequence[Message]]) -> None:
        self.kind, self.how = kind, how

    def carry(self, message: Any) -> Sequence[Any]:
        return self.how(message) if isinstance(message, self.kind) and message.sender == VICTIM else (message,)


def tampered(message: SealedShares) -> Sequence[Message]:
    return (replace(message, sealed=message.sealed | {3: message.sealed[3][:-1] + bytes([message.sealed[3][-1] ^ 1])}),)


def withheld(message: SealedShares) -> Sequence[Message]:
    return (replace(message, sealed={name: sealed for name, sealed in message.sealed.items() if name != 3}),)


def swapped(message: SealedShares) -> Sequence[Message]:
    """What was for one peer goes to another."""
    return (replace(message, sealed=message.sealed | {3: message.sealed[4], 4: message.sealed[3]}),)


def short(message: Masked) -> Sequence[Message]:
    return (replace(message, row=message.row[:3]),)


def zeros_after(message: Masked) -> Sequence[Message]:
    return (message, replace(message, row=np.zeros_like(message.row)))


def wrong_shares(message: Revealed) -> Sequence[Message]:
    return (replace(message, own_masks={name: share + 1 for name, share in message.own_masks.items()}),)


class Pointless(Peer):
    """Announces a key that is none."""

    def advertise(self) -> PublicKeys:
        return replace(super().advertise(), masking=bytes(32))


@dataclass(frozen=True)
class Scenario:
    """Seven peers, of whom four are needed and one is concerned: how it goes wrong, whose fault the protocol finds it, whose
    updates are in the sum."""

    name: str
    wire: Callable[[], Wire] = Wire
    members: dict[int, type[Peer]] = field(default_factory=dict)
    culprits: tuple[int, ...] = ()
    counted: tuple[int, ...] = (0, 2, 3, 4, 5, 6)

    def run(self) -> tuple[NDArray[np.float32], Aggregation]:
        rows = rows_of()
        return rows, run(rows, self.members, self.wire())


def changing(kind: type, how: Callable[[Any], Sequence[Message]]) -> Callable[[], Wire]:
    return lambda: Changing(kind, how)


EVERYBODY = tuple(range(PEERS))
SCENARIOS = (
    Scenario("drops before it gives its keys", lambda: Losing(PublicKeys, VICTIM)),
    Scenario("announces a key that is none", members={VICTIM: Pointless}),
    Scenario("drops before it shares its secrets", lambda: Losing(SealedShares, VICTIM)),
    Scenario("a share tampered with", changing(SealedShares, tampered)),
    Scenario("a share left out", changing(SealedShares, withheld)),
    Scenario("shares sent to the wrong peers", changing(SealedShares, swapped)),
    Scenario("drops before it uploads", lambda: Losing(Masked, VICTIM)),
    Scenario("uploads garbage", changing(Masked, short), culprits=(VICTIM,)),
    Scenario("uploads twice", changing(Masked, zeros_after), counted=EVERYBODY),
    Scenario("drops after it uploaded", lambda: Losing(Revealed, VICTIM), counted=EVERYBODY),
    Scenario("reveals wrong shares", changing(Revealed, wrong_shares), culprits=(VICTIM,), counted=EVERYBODY),
    Scenario("three drop before they upload", lambda: Losing(Masked, 1, 4, 6), counted=(0, 2, 3, 5)),
    Scenario("four drop before they upload", lambda: Losing(Masked, 1, 3, 4, 6), counted=()),
    Scenario("four drop after they uploaded", lambda: Losing(Revealed, 1, 3, 4, 6), counted=()),
)
