"""What peers send the server in the four steps of secure aggregation, and how large it is."""

from __future__ import annotations

from dataclasses import dataclass

from fflbench.defenses.secure_aggregation.fixed_point import Words
from fflbench.defenses.secure_aggregation.shamir import SHARE

TAG = 16
"""Bytes that sealing adds."""

KEY = 32
"""Bytes of a public key, and of a commitment."""

NAME = 4
"""Bytes that say which peer is meant."""


@dataclass(frozen=True)
class PublicKeys:
    """Step 0: a peer's public keys of the round, one to seal shares with, one to derive masks from."""

    sender: int
    sealing: bytes
    masking: bytes

    @property
    def size(self) -> int:
        return NAME + len(self.sealing) + len(self.masking)


@dataclass(frozen=True)
class SealedShares:
    """Step 1: for each other peer its shares of the sender's two secrets, which the server relays and cannot read, and a
    commitment to the own mask."""

    sender: int
    commitment: bytes
    sealed: dict[int, bytes]

    @property
    def size(self) -> int:
        return NAME + len(self.commitment) + sum(NAME + len(content) for content in self.sealed.values())


@dataclass(frozen=True)
class Masked:
    """Step 2: a peer's update [d] under all its masks."""

    sender: int
    row: Words

    @property
    def size(self) -> int:
        return NAME + self.row.nbytes


@dataclass(frozen=True)
class Revealed:
    """Step 3: the sender's shares of own masks of peers that uploaded, and of the masking keys of those that dropped out."""

    sender: int
    own_masks: dict[int, int]
    masking_keys: dict[int, int]

    @property
    def size(self) -> int:
        return NAME + (NAME + SHARE) * (len(self.own_masks) + len(self.masking_keys))


Message = PublicKeys | SealedShares | Masked | Revealed
PHASES: dict[type, str] = {PublicKeys: "key agreement", SealedShares: "key shares", Masked: "upload", Revealed: "unmasking"}


def expected_bytes(peers: int, dropped: int) -> dict[str, int]:
    """The bytes that all peers send beside their uploads when `dropped` of them vanish before they upload and nothing else
    goes wrong: what the messages above add up to."""
    shares = peers * (NAME + KEY + (peers - 1) * (NAME + 2 * SHARE + TAG))
    return {
        "key agreement": peers * (NAME + 2 * KEY),
        "key shares": shares,
        "unmasking": (peers - dropped) * (NAME + (NAME + SHARE) * peers),
    }
