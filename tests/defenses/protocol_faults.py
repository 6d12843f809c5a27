"""What can go wrong in an exchange of fragments: wires that lose, change, repeat and divert, peers that cheat. The tests try
each, and tools/build_protocol.py writes what came of it into docs/protocol.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from fflbench.contracts import Layout, Rng
from fflbench.defenses.ffl.envelope import Fragment
from fflbench.defenses.ffl.pairing import Pair
from fflbench.defenses.ffl.peer import Announcement, Mixed, Peer, Terms, layout_digest
from fflbench.defenses.ffl.protocol import Exchange, exchange
from fflbench.defenses.ffl.server import Message, Server
from fflbench.defenses.keys import private_key
from fflbench.defenses.wire import Wire
from fflbench.layout import Parameter

SIZE, ROUND = 200, 3
LAYOUT = Layout((Parameter("weight", (SIZE,), 0, SIZE, True),))


def rows_of(count: int, size: int = SIZE, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed))


def peers_of(
    rows: torch.Tensor, members: dict[int, type[Peer]] | None = None, layout: Layout = LAYOUT, round_: int = ROUND
) -> list[Peer]:
    terms = Terms(round_, 0, layout_digest(layout), rows.shape[1], 0.4)
    lasting = {name: private_key(Rng(0).at("lasting"), name) for name in range(len(rows))}
    directory = {name: key.public_key() for name, key in lasting.items()}
    kinds, rng = members or {}, Rng(0).at("round", round=round_)
    return [kinds.get(name, Peer)(name, row.clone(), terms, lasting[name], private_key(rng, name), directory)
            for name, row in enumerate(rows)]  # fmt: skip


def neighbours(free: Sequence[int], attempt: int) -> list[Pair]:
    """The first with the second, the third with the fourth, and so on; turned by one in a further attempt."""
    names = [*free[attempt:], *free[:attempt]]
    return list(zip(names[::2], names[1::2], strict=False))


def run(peers: Sequence[Peer], wire: Wire | None = None, server: Server | None = None) -> Exchange:
    def new_key(peer: int, attempt: int) -> X25519PrivateKey:
        return private_key(Rng(0).at("attempt", attempt=attempt), peer)

    return exchange(peers, neighbours, new_key, wire, server)


class Losing(Wire):
    """Loses all messages of a kind that a peer sends."""

    def __init__(self, kind: type[Message], sender: int) -> None:
        self.kind, self.sender = kind, sender

    def carry(self, message: Message) -> Sequence[Message]:
        sender = message.header.sender if isinstance(message, Fragment) else message.sender
        return () if isinstance(message, self.kind) and sender == self.sender else (message,)


class Changing(Wire):
    """Does something to the first fragment that a peer sends."""

    def __init__(self, sender: int, how: Callable[[Fragment], Sequence[Message]]) -> None:
        self.sender, self.how, self.done = sender, how, False

    def carry(self, message: Message) -> Sequence[Message]:
        if isinstance(message, Fragment) and message.header.sender == self.sender and not self.done:
            self.done = True
            return self.how(message)
        return (message,)


class Repeating(Wire):
    """Delivers another upload after a peer's own."""

    def __init__(self, sender: int) -> None:
        self.sender = sender

    def carry(self, message: Message) -> Sequence[Message]:
        if isinstance(message, Mixed) and message.sender == self.sender:
            return (message, replace(message, row=torch.zeros(SIZE)))
        return (message,)


class Short(Peer):
    """Seals less than was agreed."""

    def _content(self) -> bytes | memoryview:
        return super()._content()[:-4]


class Pointless(Peer):
    """Announces a key that is none."""

    def announce(self) -> Announcement:
        return replace(super().announce(), key=bytes(32))


class Odd(Peer):
    """Uploads what is no update."""

    def upload(self) -> Mixed:
        return replace(super().upload(), row=torch.zeros(3))


class Mistaken(Peer):
    """Seals with a key of its own."""

    def meet(self, partner: Announcement) -> None:
        super().meet(partner)
        assert self._keys is not None
        self._keys = replace(self._keys, ephemeral=private_key(Rng(99), self.name))


def flipped(fragment: Fragment) -> Sequence[Message]:
    return (replace(fragment, sealed=bytes([fragment.sealed[0] ^ 1]) + fragment.sealed[1:]),)


def cut(fragment: Fragment) -> Sequence[Message]:
    return (replace(fragment, sealed=fragment.sealed[:-5]),)


def noise(fragment: Fragment) -> Sequence[Message]:
    return (replace(fragment, sealed=bytes(len(fragment.sealed))),)


def nothing(fragment: Fragment) -> Sequence[Message]:
    return (replace(fragment, sealed=b""),)


def diverted(fragment: Fragment) -> Sequence[Message]:
    return (replace(fragment, header=replace(fragment.header, receiver=4)),)


def renamed(fragment: Fragment) -> Sequence[Message]:
    return (replace(fragment, header=replace(fragment.header, sender=2)),)


def another_layout(fragment: Fragment) -> Sequence[Message]:
    return (replace(fragment, header=replace(fragment.header, layout=bytes(32))),)


def twice(fragment: Fragment) -> Sequence[Message]:
    return (fragment, fragment)


def of_the_last_round(fragment: Fragment) -> Sequence[Message]:
    """What the same peer sent in the round before, played again."""
    old: list[Message] = []

    class Listening(Wire):
        def carry(self, message: Message) -> Sequence[Message]:
            if isinstance(message, Fragment) and message.header.sender == fragment.header.sender:
                old.append(message)
            return (message,)

    run(peers_of(rows_of(5), round_=ROUND - 1), Listening())
    return old[:1]


def of_the_last_round_disguised(fragment: Fragment) -> Sequence[Message]:
    """The same under this round's header."""
    return [
        replace(message, header=fragment.header) for message in of_the_last_round(fragment) if isinstance(message, Fragment)
    ]


@dataclass(frozen=True)
class Scenario:
    """Five peers, of whom one is concerned and one is always left over: how it goes wrong, whose fault the protocol finds it,
    who is left out, how many uploads arrive, and whether those are their peers' updates whole."""

    name: str
    wire: Callable[[], Wire] = Wire
    members: dict[int, type[Peer]] = field(default_factory=dict)
    culprits: tuple[int, ...] = ()
    left_out: tuple[int, ...] = ()
    arrive: int = 4
    whole: bool = True

    def run(self) -> tuple[torch.Tensor, Exchange]:
        rows = rows_of(5)
        return rows, run(peers_of(rows, self.members), self.wire())


def changing(how: Callable[[Fragment], Sequence[Message]]) -> Callable[[], Wire]:
    return lambda: Changing(1, how)


SCENARIOS = (
    Scenario("drops before the exchange", lambda: Losing(Announcement, 1), left_out=(1,)),
    Scenario("drops between key and fragment", lambda: Losing(Fragment, 1), culprits=(1,), left_out=(1,)),
    Scenario("drops after the exchange", lambda: Losing(Mixed, 1), culprits=(1,), left_out=(1,), arrive=3, whole=False),
    Scenario("fragment tampered with", changing(flipped)),
    Scenario("fragment cut", changing(cut)),
    Scenario("fragment empty", changing(nothing)),
    Scenario("fragment replaced by noise", changing(noise)),
    Scenario("fragment of the last round played again", changing(of_the_last_round)),
    Scenario("the same under this round's header", changing(of_the_last_round_disguised)),
    Scenario("fragment for somebody else", changing(diverted)),
    Scenario("fragment under another's name", changing(renamed)),
    Scenario("fragment of another layout", changing(another_layout)),
    Scenario("fragment delivered twice", changing(twice)),
    Scenario("seals with a wrong key", members={1: Mistaken}, left_out=(1,)),
    Scenario("announces a key that is none", members={1: Pointless}, left_out=(1,)),
    Scenario("seals garbage", members={1: Short}, culprits=(1,), left_out=(1,)),
    Scenario("uploads garbage", members={1: Odd}, culprits=(1,), left_out=(1,), arrive=3, whole=False),
    Scenario("uploads twice", lambda: Repeating(1), culprits=(1,)),
)
