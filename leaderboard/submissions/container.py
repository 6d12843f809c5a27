"""The outside of a submission file: lines of JSON in one stream of xz, and how much of it is read from a stranger."""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fflbench.errors import UserError

SUFFIX = ".jsonl.xz"
MAGIC = b"\xfd7zXZ\x00"
_MEMORY = 128 * 2**20
"""Bytes that unpacking may take: our own preset takes 65 MiB."""
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Limits:
    """`file`, `unpacked` and `line` in bytes."""

    file: int = 16_000_000
    unpacked: int = 256 * 2**20
    line: int = 2 * 2**20
    records: int = 20_000
    pictures: int = 2_000


LIMITS = Limits()


def packed(lines: Iterator[bytes]) -> bytes:
    """The same lines give the same bytes."""
    return lzma.compress(b"".join(line + b"\n" for line in lines), check=lzma.CHECK_CRC64, preset=9 | lzma.PRESET_EXTREME)


def read_bytes(file: Path, largest: int, where: str) -> bytes:
    """A regular file that is not too large. Raises `UserError`."""
    try:
        if not file.is_file():
            raise UserError(f"{where}: found {'a folder' if file.is_dir() else 'no such file'}, needs a file")
        with file.open("rb") as stream:
            data = stream.read(largest + 1)
    except OSError as error:
        raise UserError(f"{where}: cannot be read ({error.strerror})") from None
    if len(data) > largest:
        raise UserError(f"{where}: is larger than {largest} bytes, which is the limit for such a file")
    return data


def unpacked_lines(data: bytes, where: str, limits: Limits = LIMITS) -> Iterator[bytes]:
    """The lines of a packed file without their ends, never more in memory than a line and a chunk. Raises `UserError` where
    the file stops being exactly one whole stream of lines within the limits."""
    if not data.startswith(MAGIC):
        raise UserError(f"{where}: is not compressed with xz, needs a file that `fflbench submit` wrote")
    rest, total = bytearray(), 0
    for chunk in _chunks(data, where):
        total += len(chunk)
        if total > limits.unpacked:
            raise UserError(f"{where}: unpacks to more than {limits.unpacked} bytes, which is the limit")
        rest += chunk
        *whole, last = rest.split(b"\n")
        if any(len(line) > limits.line for line in (*whole, last)):
            raise UserError(f"{where}: has a line of more than {limits.line} bytes, which is the limit")
        yield from map(bytes, whole)
        rest = last
    if rest:
        raise UserError(f"{where}: its last line has no end, needs a whole file")


def _chunks(data: bytes, where: str) -> Iterator[bytes]:
    stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)
    try:
        yield stream.decompress(data, _CHUNK)
        while not stream.eof:
            if stream.needs_input:
                raise UserError(f"{where}: breaks off, needs a whole file")
            yield stream.decompress(b"", _CHUNK)
    except lzma.LZMAError as error:
        raise UserError(f"{where}: is damaged ({error})") from None
    if stream.unused_data:
        raise UserError(f"{where}: has {len(stream.unused_data)} bytes after its end, needs none")
