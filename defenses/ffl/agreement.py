"""What two peers agree on in a round without telling the server: a secret, and from it who gives which coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fflbench import extension
from fflbench.defenses.keys import derived, words
from fflbench.errors import UserError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

WORDS = 2**32
"""A coordinate moves when its 32-bit word of the stream is below `exchange` times this."""


@dataclass(frozen=True)
class Mask:
    """Which of `size` coordinates change owners: a bit each, eight a byte, the first of them the lowest; and how many."""

    bits: NDArray[np.uint8]
    size: int
    count: int

    def flags(self) -> NDArray[np.bool_]:
        return np.unpackbits(self.bits, count=self.size, bitorder="little").view(np.bool_)


def mask_seed(own: X25519PrivateKey, partner: X25519PublicKey) -> bytes:
    """The 32 bytes from which both of a pair derive the same mask."""
    return seed_from(own.exchange(partner))


def seed_from(agreed: bytes) -> bytes:
    """The same from what their two keys agree on."""
    return derived(agreed, "mask")


def exchange_mask(size: int, exchange: float, seed: bytes) -> Tensor:
    """Which coordinates [size] change owners, as `drawn_mask` has it."""
    return torch.from_numpy(drawn_mask(size, exchange, seed).flags())


def drawn_mask(size: int, exchange: float, seed: bytes) -> Mask:
    """Each coordinate changes owners with probability `exchange` in (0, 1): those whose word in the stream of AES-256 in
    counter mode under `seed` is small. To whoever lacks the seed it looks like chance. At least one moves and one stays, or
    an upload would be somebody's own: raises `UserError` for fewer than two."""
    if size < 2:
        raise UserError(f"fragments: found {size} coordinates, needs at least two: one to move and one to stay")
    mask = _drawn(size, exchange, seed)
    while not 0 < mask.count < size:
        seed = derived(seed, "another mask")
        mask = _drawn(size, exchange, seed)
    return mask


def threshold(exchange: float) -> np.uint32:
    """Below which a word moves its coordinate."""
    return np.uint32(min(max(round(exchange * WORDS), 1), WORDS - 1))


def _drawn(size: int, exchange: float, seed: bytes) -> Mask:
    limit = threshold(exchange)
    if extension.CIPHERS:
        bits = np.empty((size + 7) // 8, dtype=np.uint8)
        return Mask(bits, size, extension.native.draw(seed, int(limit), size, bits, extension.CIPHERS[0]))
    chosen = np.empty(size, dtype=bool)
    for place, drawn in words(size, seed):
        np.less(drawn, limit, out=chosen[place])
    return Mask(np.packbits(chosen, bitorder="little"), size, int(np.count_nonzero(chosen)))
