"""The data folder: where it is, what lies in it, and how files get into it whole or not at all."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fflbench.errors import DataError

MANIFEST = "SHA256SUMS"
EMBEDDED = Path(__file__).parent / "embedded"


@dataclass(frozen=True)
class Contents:
    """Uncompressed files by name, with one SHA-256 over all their names and digests."""

    files: dict[str, bytes]
    digest: str


def data_folder() -> Path:
    """`$FFLBENCH_DATA`, or `~/.cache/fflbench/data`. It may not exist yet."""
    chosen = os.environ.get("FFLBENCH_DATA")
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "fflbench" / "data"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_whole(path: Path, data: bytes) -> None:
    """Write under a temporary name in the same folder, then rename: `path` is never a partial file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".partial-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def manifest_text(digests: Mapping[str, str]) -> str:
    """The lines that `sha256sum -c` reads, sorted by name."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))


def read_manifest(path: Path) -> dict[str, str]:
    """File names and their SHA-256. Raises `DataError` on a line that is not of that form."""
    digests = {}
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
        digest, separator, name = line.partition("  ")
        if not separator or len(digest) != 64 or not name:
            raise DataError(f"{path} line {number}: found {line[:40]!r}, needs a SHA-256, two spaces and a file name")
        digests[name] = digest
    return digests


def check_digest(what: str, data: bytes, expected: str, remedy: str) -> None:
    """Raise `DataError` naming `what`, both digests and the remedy unless `data` has the expected SHA-256."""
    found = sha256(data)
    if found != expected:
        raise DataError(f"{what}: found SHA-256 {found}, needs {expected}: {remedy}")


def read_embedded(folder: str, files: Sequence[str]) -> Contents:
    """Read `embedded/<folder>/<file>.xz`, each checked against the package's own list of digests."""
    digests = read_manifest(EMBEDDED / MANIFEST)
    remedy = "the installed package is damaged, reinstall fflbench"
    found = {}
    for file in files:
        name = f"{folder}/{file}.xz"
        try:
            data = (EMBEDDED / name).read_bytes()
        except OSError as error:
            raise DataError(f"{EMBEDDED / name}: {error.strerror}: {remedy}") from None
        check_digest(str(EMBEDDED / name), data, digests[name], remedy)
        found[file] = lzma.decompress(data)
    return _contents(found)


def read_stored(name: str, places: Sequence[str], files: Sequence[str], hint: str = "") -> Contents:
    """Read a fetched or user-owned data set from the first of `places` that has any of its files.

    Places are below the data folder. Each file may be plain or end in `.gz`. Where the place has a `SHA256SUMS`,
    every file is checked against it. Raises `DataError` with the remedy when the data are missing, incomplete or
    damaged.
    """
    root = data_folder()
    for place in (root / place for place in places):
        present = {file: path for file in files if (path := _plain_or_gzip(place / file)) is not None}
        if present:
            return _read_place(name, place, files, present)
    raise DataError(
        f"{name} is not on this machine: run `fflbench data fetch {name}`, or set FFLBENCH_DATA to the "
        f"folder that holds {places[0]}/ (looked in {root}){hint}"
    )


def _plain_or_gzip(path: Path) -> Path | None:
    return next((p for p in (path, path.with_name(path.name + ".gz")) if p.is_file()), None)


def _read_place(name: str, place: Path, files: Sequence[str], present: Mapping[str, Path]) -> Contents:
    remedy = f"delete {place} and run `fflbench data fetch {name}`"
    missing = [file for file in files if file not in present]
    if missing:
        raise DataError(f"{name} in {place} is incomplete, {missing[0]} is missing: {remedy}")
    manifest = place / MANIFEST
    digests = read_manifest(manifest) if manifest.is_file() else {}
    found = {}
    for file in files:
        try:
            raw = present[file].read_bytes()
            data = gzip.decompress(raw) if present[file].suffix == ".gz" else raw
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{present[file]} cannot be read ({error}): {remedy}") from None
        if digests:
            check_digest(str(present[file]), data, digests.get(file, "a line in SHA256SUMS"), remedy)
        found[file] = data
    return _contents(found)


def _contents(files: dict[str, bytes]) -> Contents:
    return Contents(files, sha256(manifest_text({name: sha256(data) for name, data in files.items()}).encode()))
