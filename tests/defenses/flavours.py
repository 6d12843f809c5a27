"""Which native code may be used for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fflbench import extension


@contextmanager
def only(*flavours: str, ciphers: tuple[str, ...] = ()) -> Iterator[None]:
    kept = extension.FLAVOURS, extension.CIPHERS
    extension.FLAVOURS, extension.CIPHERS = flavours, ciphers
    try:
        yield
    finally:
        extension.FLAVOURS, extension.CIPHERS = kept
