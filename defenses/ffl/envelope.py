"""Sealed fragments: what one peer sends another through a server that can read nothing of it and change nothing in it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from fflbench.defenses.ffl.room import Room
from fflbench.defenses.keys import derived

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

CipherName = Literal["aes-256-gcm", "chacha20-poly1305"]

TAG = 16
"""Bytes that a fragment is longer than its content, with either cipher."""

_HEADER = struct.Struct(">QIQQ32sQ")
_NONCE = bytes(12)
"""Each key seals one fragment only, so it may be fixed."""


class UnopenedError(Exception):
    """A fragment that does not open: changed, cut, for somebody else, of another round, or sealed with another key."""


@dataclass(frozen=True)
class Header:
    """What a fragment says openly and cannot be changed in it: the round and the attempt in it, who sends to whom, of which
    layout (a digest of 32 bytes) and how many coordinates."""

    round: int
    attempt: int
    sender: int
    receiver: int
    layout: bytes
    count: int

    def to_bytes(self) -> bytes:
        return _HEADER.pack(self.round, self.attempt, self.sender, self.receiver, self.layout, self.count)


@dataclass(frozen=True)
class Fragment:
    """A sealed fragment on its way."""

    header: Header
    sealed: bytes | memoryview

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return _HEADER.size + len(self.sealed)


@dataclass(frozen=True)
class Keys:
    """One peer's keys for one partner: its own lasting and this round's, the partner's public ones.

    A sealing key takes all four agreements between them: the round's keys, so that a lasting key that is lost later opens
    nothing of this round, and the lasting ones, so that a server that hands out round keys of its own opens nothing either.
    """

    lasting: X25519PrivateKey
    ephemeral: X25519PrivateKey
    their_lasting: X25519PublicKey
    their_ephemeral: X25519PublicKey

    def outgoing(self, header: Header) -> bytes:
        """The key for a fragment to the partner."""
        with_lasting, with_ephemeral = self._mixed
        return self._sealing(with_lasting, with_ephemeral, header)

    def incoming(self, header: Header) -> bytes:
        """The key for a fragment from the partner."""
        with_lasting, with_ephemeral = self._mixed
        return self._sealing(with_ephemeral, with_lasting, header)

    @cached_property
    def _mixed(self) -> tuple[bytes, bytes]:
        """The agreements of one's own lasting and round's key with the partner's other one."""
        return self.lasting.exchange(self.their_ephemeral), self.ephemeral.exchange(self.their_lasting)

    @cached_property
    def agreed(self) -> bytes:
        """The agreement of both round's keys. Raises `ValueError` when the partner's is no key."""
        return self.ephemeral.exchange(self.their_ephemeral)

    @cached_property
    def _alike(self) -> bytes:
        """The agreements of both round's keys and of both lasting ones."""
        return self.agreed + self.lasting.exchange(self.their_lasting)

    def _sealing(self, senders_lasting: bytes, senders_ephemeral: bytes, header: Header) -> bytes:
        return derived(b"".join((self._alike, senders_lasting, senders_ephemeral)), "seal", header.to_bytes())


def seal(content: bytes | memoryview, header: Header, key: bytes, cipher: CipherName, room: Room) -> Fragment:
    aead = _aead(cipher, key)
    if not hasattr(aead, "encrypt_into"):  # Before cryptography 47.
        return Fragment(header, aead.encrypt(_NONCE, content, header.to_bytes()))
    sealed = room.lent(len(content) + TAG).data
    aead.encrypt_into(_NONCE, content, header.to_bytes(), sealed)
    return Fragment(header, sealed.toreadonly())


def unseal(fragment: Fragment, key: bytes, cipher: CipherName, room: Room) -> bytes | memoryview:
    """Raises `UnopenedError` unless exactly this header and content were sealed with this key."""
    from cryptography.exceptions import InvalidTag

    aead, size = _aead(cipher, key), len(fragment.sealed) - TAG
    try:
        if size < 0 or not hasattr(aead, "decrypt_into"):
            return bytes(aead.decrypt(_NONCE, fragment.sealed, fragment.header.to_bytes()))
        content = room.lent(size).data
        aead.decrypt_into(_NONCE, fragment.sealed, fragment.header.to_bytes(), content)
        return content
    except InvalidTag:
        raise UnopenedError("does not open") from None


def _aead(cipher: CipherName, key: bytes) -> AESGCM | ChaCha20Poly1305:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

    return AESGCM(key) if cipher == "aes-256-gcm" else ChaCha20Poly1305(key)
