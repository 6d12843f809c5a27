"""What two peers agree on in a round without telling the server: a secret, and from it who gives which coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fflbench.defenses.keys import derived, words
from fflbench.errors import UserError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

WORDS = 2**32
"""A coordinate moves when its 32-bit word of the stream is below `exchange` times this."""


def mask_seed(own: X25519PrivateKey, partner: X25519PublicKey) -> bytes:
    """The 32 bytes from which both of a pair derive the same mask."""
    return derived(own.exchange(partner), "mask")


def exchange_mask(size: int, exchange: float, seed: bytes) -> Tensor:
    """Which coordinates [size] change owners, each with probability `exchange` in (0, 1): those whose word in the stream of
    AES-256 in counter mode under `seed` is small. To whoever lacks the seed it looks like chance. At least one moves and one
    stays, or an upload would be somebody's own: raises `UserError` for fewer than two."""
    if size < 2:
        raise UserError(f"fragments: found {size} coordinates, needs at least two: one to move and one to stay")
    mask = _drawn(size, exchange, seed)
    while not mask.any() or mask.all():
        seed = derived(seed, "another mask")
        mask = _drawn(size, exchange, seed)
    return torch.from_numpy(mask)


def threshold(exchange: float) -> np.uint32:
    """Below which a word moves its coordinate."""
    return np.uint32(min(max(round(exchange * WORDS), 1), WORDS - 1))


def _drawn(size: int, exchange: float, seed: bytes) -> NDArray[np.bool_]:
    limit, mask = threshold(exchange), np.empty(size, dtype=bool)
    for place, drawn in words(size, seed):
        np.less(drawn, limit, out=mask[place])
    return mask
