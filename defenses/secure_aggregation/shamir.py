"""Secrets shared among peers so that any `threshold` of them can put one together and fewer know nothing (Shamir 1979)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

PRIME = 2**256 + 297
"""The least prime above every secret of 32 bytes."""

SHARE = 33
"""Bytes of a share."""


def split(secret: bytes, threshold: int, holders: Sequence[int], generator: np.random.Generator) -> dict[int, int]:
    """A share for each holder, all numbered from 0: a polynomial of degree `threshold` - 1 that is the secret at 0."""
    if not 1 <= threshold <= len(holders):
        raise ValueError(f"threshold: found {threshold}, needs 1 to {len(holders)}")
    random = (int.from_bytes(generator.bytes(SHARE + 16), "big") % PRIME for _ in range(threshold - 1))
    coefficients = [int.from_bytes(secret, "big"), *random]
    return {holder: _at(coefficients, holder + 1) for holder in holders}


def joined(shares: Mapping[int, int]) -> bytes:
    """The secret, from as many shares as the threshold says. Raises `ValueError` if these are of no secret of 32 bytes; most
    wrong shares give another one."""
    secret = value_at(shares, -1)
    if secret >= 2**256:
        raise ValueError("the shares do not belong together")
    return secret.to_bytes(32, "big")


def value_at(shares: Mapping[int, int], holder: int) -> int:
    """What the polynomial through these shares is for another holder; for holder -1 it is the secret."""
    factors = _factors(tuple(shares), holder)
    return sum(share * factor for share, factor in zip(shares.values(), factors, strict=True)) % PRIME


@lru_cache(maxsize=64)
def _factors(holders: tuple[int, ...], point: int) -> tuple[int, ...]:
    """What each holder's share counts in the value at a point (Lagrange): the same for all secrets that they share."""
    found = []
    for holder in holders:
        above, below = 1, 1
        for other in holders:
            if other != holder:
                above, below = above * (point - other) % PRIME, below * (holder - other) % PRIME
        found.append(above * pow(below, -1, PRIME) % PRIME)
    return tuple(found)


def _at(coefficients: Sequence[int], point: int) -> int:
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * point + coefficient) % PRIME
    return value
