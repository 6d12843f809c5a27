"""A peer's side of an exchange: it holds its update and its keys, and shows neither."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from fflbench.contracts import Layout
from fflbench.defenses.ffl.agreement import Mask, drawn_mask, seed_from
from fflbench.defenses.ffl.envelope import TAG, CipherName, Fragment, Header, Keys, UnopenedError, seal, unseal
from fflbench.defenses.ffl.fragments import Floats, put, take
from fflbench.defenses.ffl.room import Room

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey


class GarbageError(Exception):
    """A fragment that opens, so that its sender is known, and holds something else than what was agreed."""


@dataclass(frozen=True)
class Terms:
    """What all peers of a round know: which round and attempt it is, what an update looks like, how much is exchanged."""

    round: int
    attempt: int
    layout: bytes
    size: int
    exchange: float
    cipher: CipherName = "aes-256-gcm"


def layout_digest(layout: Layout) -> bytes:
    """32 bytes that differ between layouts: names, shapes and places of all tensors."""
    return hashlib.sha256(repr(layout.parameters).encode()).digest()


def room_for(size: int) -> int:
    """Bytes that a fragment of an update of so many coordinates takes at most, sealed."""
    return 4 * size + TAG


@dataclass(frozen=True)
class Announcement:
    """A peer's public key for one attempt of a round."""

    round: int
    attempt: int
    sender: int
    key: bytes

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return 20 + len(self.key)


@dataclass(frozen=True)
class Mixed:
    """What a peer uploads: its update with the partner's coordinates where they changed owners."""

    round: int
    sender: int
    row: Tensor

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return 16 + self.row.numel() * self.row.element_size()


class Peer:
    """One peer in one attempt. `directory` has everybody's lasting public key, which peers know from outside the round. It
    works in `room`, where that is given."""

    def __init__(
        self, name: int, update: Tensor, terms: Terms, lasting: X25519PrivateKey, ephemeral: X25519PrivateKey,
        directory: Mapping[int, X25519PublicKey], room: Room | None = None,
    ) -> None:  # fmt: skip
        self.name, self.terms = name, terms
        self._update, self._lasting, self._ephemeral, self._directory = update, lasting, ephemeral, directory
        self._room = room or Room(room_for(terms.size))
        self._partner = -1
        self._keys: Keys | None = None
        self._mask = Mask(np.zeros(0, dtype=np.uint8), 0, 0)
        self._received: Floats | None = None
        self._mixed = False

    def announce(self) -> Announcement:
        return Announcement(self.terms.round, self.terms.attempt, self.name, self._ephemeral.public_key().public_bytes_raw())

    def meet(self, partner: Announcement) -> None:
        """Take somebody as the partner of this attempt. Raises `UnopenedError` when its key is not one."""
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

        try:
            theirs = X25519PublicKey.from_public_bytes(partner.key)
            keys = Keys(self._lasting, self._ephemeral, self._directory[partner.sender], theirs)
            seed = seed_from(keys.agreed)
        except ValueError:
            raise UnopenedError("the key announced is no key") from None
        self._partner, self._keys = partner.sender, keys
        self._mask = drawn_mask(self.terms.size, self.terms.exchange, seed)

    def fragment(self) -> Fragment:
        """The coordinates that change owners, sealed for the partner."""
        assert self._keys is not None
        header = self._header(self.name, self._partner)
        return seal(self._content(), header, self._keys.outgoing(header), self.terms.cipher, self._room)

    def _content(self) -> memoryview:
        values = self._room.lent(4 * self._mask.count).view(np.float32)
        take(self._update.numpy(), self._mask, values)
        return values.astype("<f4", copy=False).data.cast("B")

    def receive(self, fragment: Fragment) -> None:
        """Open the partner's fragment and keep it; nothing is mixed before both of a pair have. Raises `UnopenedError` or
        `GarbageError`."""
        assert self._keys is not None
        expected = self._header(self._partner, self.name)
        if fragment.header != expected:
            raise UnopenedError(_difference(fragment.header, expected))
        content = unseal(fragment, self._keys.incoming(expected), self.terms.cipher, self._room)
        if len(content) != 4 * expected.count:
            raise GarbageError(f"holds {len(content)} bytes, needs {4 * expected.count}")
        self._received = np.frombuffer(content, dtype="<f4").astype(np.float32, copy=False)

    def mix(self) -> None:
        """Once both of the pair have what they need: the update itself is changed."""
        assert self._received is not None
        put(self._received, self._mask, self._update.numpy())
        self._received, self._mixed = None, True

    def upload(self) -> Mixed:
        """What the server gets: the update, once it is mixed."""
        assert self._mixed
        return Mixed(self.terms.round, self.name, self._update)

    def again(self, terms: Terms, ephemeral: X25519PrivateKey) -> Peer:
        """The same peer in another attempt, with a key of its own for it."""
        return type(self)(self.name, self._update, terms, self._lasting, ephemeral, self._directory, self._room)

    def _header(self, sender: int, receiver: int) -> Header:
        terms = self.terms
        return Header(terms.round, terms.attempt, sender, receiver, terms.layout, self._mask.count)


def _difference(found: Header, expected: Header) -> str:
    """The first thing in which a header is not what was expected."""
    for name in ("round", "attempt", "sender", "receiver", "layout", "count"):
        theirs, ours = getattr(found, name), getattr(expected, name)
        if theirs != ours:
            shown = "" if name == "layout" else f": found {theirs}, needs {ours}"
            return f"is of another {name}{shown}"
    return "is not the one expected"
