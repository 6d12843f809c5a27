"""The server's side of secure aggregation: it adds masked updates up and takes off what masks are left in the sum."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from fflbench.defenses.secure_aggregation.fixed_point import Words
from fflbench.defenses.secure_aggregation.messages import PHASES, Masked, Message, PublicKeys, Revealed, SealedShares
from fflbench.defenses.secure_aggregation.peer import add_stream, commitment, pair_seed
from fflbench.defenses.secure_aggregation.shamir import joined, value_at

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey


class LostError(Exception):
    """A mask that nobody can take off the sum any more."""


@dataclass
class Server:
    """`seen` is everything that it ever got, in order: its whole view. Of two messages of a kind the first counts."""

    threshold: int
    seen: list[Message] = field(default_factory=list)
    keys: dict[int, PublicKeys] = field(default_factory=dict)
    shares: dict[int, SealedShares] = field(default_factory=dict)
    masked: dict[int, Masked] = field(default_factory=dict)
    revealed: dict[int, Revealed] = field(default_factory=dict)
    received: dict[str, int] = field(default_factory=dict)

    def take(self, message: Message) -> None:
        """A message from the wire."""
        self.seen.append(message)
        phase = PHASES[type(message)]
        self.received[phase] = self.received.get(phase, 0) + message.size
        if isinstance(message, PublicKeys):
            self.keys.setdefault(message.sender, message)
        elif isinstance(message, SealedShares):
            self.shares.setdefault(message.sender, message)
        elif isinstance(message, Masked):
            self.masked.setdefault(message.sender, message)
        else:
            self.revealed.setdefault(message.sender, message)

    def relayed(self, receiver: int) -> dict[int, bytes]:
        """What all others sealed for a peer."""
        return {sender: message.sealed[receiver] for sender, message in self.shares.items() if receiver in message.sealed}

    def total(self, uploaded: Collection[int], gone: Collection[int]) -> tuple[Words, set[int]]:
        """The sum [d] of the updates of those who uploaded, of whom all hid from each other and from those who are `gone`;
        and who sent wrong shares, where that is known. Raises `LostError` if a mask cannot be put together."""
        total, liars = np.zeros_like(self.masked[next(iter(uploaded))].row), set[int]()
        for peer in uploaded:
            total += self.masked[peer].row
            held = {sender: m.own_masks[peer] for sender, m in self.revealed.items() if peer in m.own_masks}
            mask = self._together(held, partial(self._is_mask, peer), liars)
            add_stream(total, mask, subtract=True)
        for peer in gone:
            held = {sender: m.masking_keys[peer] for sender, m in self.revealed.items() if peer in m.masking_keys}
            secret = self._together(held, partial(self._is_key, peer), liars)
            for other in uploaded:
                add_stream(total, pair_seed(_private(secret), self.keys[other].masking), subtract=other < peer)
        return total, liars

    def _together(self, shares: Mapping[int, int], right: Callable[[bytes], bool], liars: set[int]) -> bytes:
        """A secret from as many shares as it takes; where some are wrong from others, and who sent those is known then."""
        for chosen in _windows(sorted(shares), self.threshold):
            good = {holder: shares[holder] for holder in chosen}
            try:
                secret = joined(good)
            except ValueError:
                continue
            if right(secret):
                if chosen[0] != min(shares):
                    liars |= {holder for holder, share in shares.items() if value_at(good, holder) != share}
                return secret
        raise LostError

    def _is_mask(self, peer: int, secret: bytes) -> bool:
        return commitment(secret) == self.shares[peer].commitment

    def _is_key(self, peer: int, secret: bytes) -> bool:
        return _private(secret).public_key().public_bytes_raw() == self.keys[peer].masking


def _windows(holders: list[int], size: int) -> Iterator[list[int]]:
    """Every run of that many neighbours in a circle of holders: of a few wrong shares one leaves all out, if enough are
    right."""
    if len(holders) >= size:
        for start in range(len(holders)):
            yield [holders[(start + i) % len(holders)] for i in range(size)]


def _private(secret: bytes) -> X25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    return X25519PrivateKey.from_private_bytes(secret)
