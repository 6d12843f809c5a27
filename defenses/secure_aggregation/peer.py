"""A peer's side of secure aggregation: it masks its update, and later tells of masks just as much as the sum needs."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fflbench import extension
from fflbench.defenses.keys import derived, private_key, words
from fflbench.defenses.secure_aggregation.fixed_point import Words
from fflbench.defenses.secure_aggregation.messages import Masked, PublicKeys, Revealed, SealedShares
from fflbench.defenses.secure_aggregation.shamir import SHARE, split

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from fflbench.contracts import Rng


class RefusedError(Exception):
    """What the server asked for would tell it a peer's own update, or cannot be done with so few peers."""


@dataclass(frozen=True)
class Terms:
    """What all peers of a round know: which round it is, and how many of them a secret takes."""

    round: int
    threshold: int


class Peer:
    """One peer in one round. `row[d]` is its update as whole numbers; its secrets come from `rng`."""

    def __init__(self, name: int, row: Words, terms: Terms, rng: Rng) -> None:
        self.name, self.terms = name, terms
        self._row = row
        self._sealing, self._masking = private_key(rng.at("sealing"), name), private_key(rng.at("masking"), name)
        self._random = rng.at("shares", peer=name).numpy()
        self._own_mask: bytes = self._random.bytes(32)
        self._keys: dict[int, PublicKeys] = {}
        self._secrets: dict[int, bytes] = {}
        self._held: dict[int, tuple[int, int]] = {}
        self._revealed = False

    def advertise(self) -> PublicKeys:
        public = (key.public_key().public_bytes_raw() for key in (self._sealing, self._masking))
        return PublicKeys(self.name, *public)

    def share(self, keys: Iterable[PublicKeys]) -> SealedShares:
        """Share both secrets among all whose keys the server relayed, itself among them. Raises `RefusedError` if they are
        too few."""
        self._keys, self._secrets = {announced.sender: announced for announced in keys}, {}
        if len(self._keys) < self.terms.threshold:
            raise RefusedError(f"{len(self._keys)} peers are fewer than the threshold {self.terms.threshold}")
        holders = list(self._keys)
        masks = split(self._own_mask, self.terms.threshold, holders, self._random)
        masking = split(self._masking.private_bytes_raw(), self.terms.threshold, holders, self._random)
        self._held[self.name] = masks[self.name], masking[self.name]
        sealed = {}
        for other in holders:
            if other != self.name:
                header = self._header(self.name, other)
                content = b"".join(share.to_bytes(SHARE, "big") for share in (masks[other], masking[other]))
                sealed[other] = self._seal(other, header).encrypt(bytes(12), content, header)
        return SealedShares(self.name, commitment(self._own_mask), sealed)

    def open(self, relayed: Mapping[int, bytes]) -> list[int]:
        """Keep what others shared with this peer; returns those whose shares do not open."""
        complaints = []
        for sender, sealed in relayed.items():
            opened = self._opened(sender, sealed)
            if opened is None:
                complaints.append(sender)
            else:
                self._held[sender] = opened
        return complaints

    def masked(self, taking_part: Collection[int]) -> Masked:
        """The update under its own mask and one for each other peer that takes part: added by one of two, subtracted by the
        other. Raises `RefusedError` if they are too few, or one of them did not share its secrets with this peer."""
        missing = set(taking_part) - set(self._held)
        if len(set(taking_part)) < self.terms.threshold or missing:
            raise RefusedError(f"{len(set(taking_part) - missing)} peers with secrets shared are fewer than needed")
        self._held = {other: self._held[other] for other in taking_part}
        total = self._row.copy()
        add_stream(total, self._own_mask)
        for other in self._held:
            if other != self.name:
                add_stream(total, pair_seed(self._masking, self._keys[other].masking), subtract=other < self.name)
        return Masked(self.name, total)

    def reveal(self, uploaded: Collection[int]) -> Revealed:
        """Shares of the own masks of those who uploaded and of the masking keys of the others: never both of anybody, which
        would unmask its update. Raises `RefusedError` if so few uploaded that their sum would tell too much."""
        if len(set(uploaded)) < self.terms.threshold:
            raise RefusedError(f"{len(set(uploaded))} uploads are fewer than the threshold {self.terms.threshold}")
        if self._revealed:
            raise RefusedError("asked for the masks of this round before")
        self._revealed = True
        there = {other: mask for other, (mask, _) in self._held.items() if other in uploaded}
        gone = {other: masking for other, (_, masking) in self._held.items() if other not in uploaded}
        return Revealed(self.name, there, gone)

    def _opened(self, sender: int, sealed: bytes) -> tuple[int, int] | None:
        from cryptography.exceptions import InvalidTag

        if sender not in self._keys:
            return None
        try:
            header = self._header(sender, self.name)
            content = self._seal(sender, header).decrypt(bytes(12), sealed, header)
        except (InvalidTag, ValueError):
            return None
        shares = int.from_bytes(content[:SHARE], "big"), int.from_bytes(content[SHARE:], "big")
        return shares if len(content) == 2 * SHARE else None

    def _seal(self, other: int, header: bytes) -> AESGCM:
        """A key for each direction, which seals once, so the nonce may be fixed."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if other not in self._secrets:
            self._secrets[other] = agreed(self._sealing, self._keys[other].sealing)
        return AESGCM(derived(self._secrets[other], "shares", header))

    def _header(self, sender: int, receiver: int) -> bytes:
        return struct.pack(">QQQ", self.terms.round, sender, receiver)


def pair_seed(own: X25519PrivateKey, theirs: bytes) -> bytes:
    """The 32 bytes from which two peers derive the mask that cancels between them."""
    return derived(agreed(own, theirs), "pair mask")


def agreed(own: X25519PrivateKey, theirs: bytes) -> bytes:
    """The secret of a private key and somebody's public one. Raises `ValueError` if that is none."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    return own.exchange(X25519PublicKey.from_public_bytes(theirs))


def commitment(own_mask: bytes) -> bytes:
    """Tells the server later whether an own mask was put together right, and nothing about it before."""
    return derived(own_mask, "commitment")


def add_stream(total: Words, seed: bytes, subtract: bool = False) -> None:
    """Add the stream of a seed to words [d] in place, or take it off again, modulo 2^32."""
    if extension.CIPHERS:
        extension.native.add(total, seed, subtract, extension.CIPHERS[0])
        return
    change = np.subtract if subtract else np.add
    for place, drawn in words(len(total), seed):
        change(total[place], drawn, out=total[place])
