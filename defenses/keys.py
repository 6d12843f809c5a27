"""Keys of peers, and what is derived from them: further keys, and streams of numbers that look like chance without them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    from fflbench.contracts import Rng

BLOCK = 2**14
"""Words of a stream that are drawn at once: they stay in the cache."""


def private_key(rng: Rng, peer: int) -> X25519PrivateKey:
    """A peer's key, from a stream, so that a run can be repeated; real peers take theirs from the operating system."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    return X25519PrivateKey.from_private_bytes(rng.at("private-key", peer=peer).numpy().bytes(32))


@lru_cache(maxsize=2**12)
def lasting_key(rng: Rng, peer: int) -> X25519PrivateKey:
    """The same for a key that is asked for every round."""
    return private_key(rng, peer)


def derived(secret: bytes, purpose: str, context: bytes = b"") -> bytes:
    """32 bytes from a secret for one purpose (HKDF with SHA-256)."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), length=32, salt=None, info=b"fflbench ffl " + purpose.encode() + b"\0" + context).derive(secret)


def words(size: int, seed: bytes) -> Iterator[tuple[slice, NDArray[np.uint32]]]:
    """The first `size` 32-bit words of the stream of AES-256 in counter mode under a seed of 32 bytes, block by block with
    their places. A block is overwritten by the next."""
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CTR

    stream, zeros = Cipher(AES(seed), CTR(bytes(16))).encryptor(), bytes(4 * min(size, BLOCK))
    drawn = np.empty(len(zeros) + 15, dtype=np.uint8)
    for start in range(0, size, BLOCK):
        count = min(BLOCK, size - start)
        stream.update_into(zeros[: 4 * count], drawn.data)
        yield slice(start, start + count), drawn[: 4 * count].view("<u4")
