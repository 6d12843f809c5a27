"""What two peers agree on in a round without telling the server: a secret, and from it who gives which coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fflbench.errors import UserError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

    from fflbench.contracts import Rng

BLOCK = 2**14
"""Coordinates whose words are drawn at once: they stay in the cache."""

WORDS = 2**32
"""A coordinate moves when its 32-bit word of the stream is below `exchange` times this."""


def private_key(rng: Rng, peer: int) -> X25519PrivateKey:
    """A peer's key, from a stream, so that a run can be repeated; real peers take theirs from the operating system."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    return X25519PrivateKey.from_private_bytes(rng.at("private-key", peer=peer).numpy().bytes(32))


def derived(secret: bytes, purpose: str, context: bytes = b"") -> bytes:
    """32 bytes from a secret for one purpose (HKDF with SHA-256)."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), length=32, salt=None, info=b"fflbench ffl " + purpose.encode() + b"\0" + context).derive(secret)


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


def _drawn(size: int, exchange: float, seed: bytes) -> NDArray[np.bool_]:
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CTR

    stream, zeros = Cipher(AES(seed), CTR(bytes(16))).encryptor(), bytes(4 * min(size, BLOCK))
    threshold = np.uint32(min(max(round(exchange * WORDS), 1), WORDS - 1))
    mask, words = np.empty(size, dtype=bool), np.empty(len(zeros) + 15, dtype=np.uint8)
    for start in range(0, size, BLOCK):
        part = mask[start : start + BLOCK]
        stream.update_into(zeros[: 4 * len(part)], words.data)
        np.less(words[: 4 * len(part)].view("<u4"), threshold, out=part)
    return mask
