"""Reconstructed pictures in a submission: small PNG files that a record lists with their digests, and nothing else."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import pydantic
from PIL import Image

from fflbench.errors import UserError
from fflbench.leaderboard.gallery import LARGEST_FILE, LARGEST_SIDE
from fflbench.records import Artefact, Record
from fflbench.strict_json import canonical, strict_json


class _Picture(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, strict=True)
    file: str
    png: str


def picture_line(file: str, png: bytes) -> bytes:
    return canonical({"file": file, "png": base64.b64encode(png).decode()})


def picture_in(line: bytes, where: str) -> tuple[str, bytes]:
    """Path and bytes of a picture from a stranger; `check_pictures` says whether a record lists it."""
    try:
        picture = _Picture.model_validate(strict_json(line, where))
        return picture.file, base64.b64decode(picture.png, validate=True)
    except (pydantic.ValidationError, binascii.Error):
        raise UserError(f"{where}: is no picture, needs file and png (base64)") from None


def gather_pictures(folders: Sequence[Path], records: Iterable[Record]) -> tuple[dict[str, bytes], list[str]]:
    """The pictures beside the records, which lie in one of the folders, and a line for each that is missing, changed or too
    large to go along."""
    found: dict[str, bytes] = {}
    problems = []
    for artefact in (artefact for record in records for artefact in record.artefacts):
        folder = next((folder for folder in folders if (folder / artefact.file).is_file()), folders[0])
        try:
            with (folder / artefact.file).open("rb") as file:
                data = file.read(LARGEST_FILE + 1)
        except OSError as error:
            problems.append(f"{folder / artefact.file}: cannot be read ({error.strerror}); left out")
            continue
        wrong = _wrong(artefact, data)
        if wrong:
            problems.append(f"{folder / artefact.file}: {wrong}; left out")
        else:
            found[artefact.file] = data
    return found, problems


def check_pictures(record: Record, pictures: dict[str, bytes], where: str) -> None:
    """Raises `UserError` unless every picture that the record lists is there, is the one that it lists, and lies where its
    record's pictures lie."""
    for artefact in record.artefacts:
        if artefact.file.split("/")[1] != record.digest:
            raise UserError(f"{where}: lists {artefact.file}, which is another record's place")
        if artefact.file not in pictures:
            raise UserError(f"{where}: lists {artefact.file}, which is not in the file")
        wrong = _wrong(artefact, pictures[artefact.file])
        if wrong:
            raise UserError(f"{where}: {artefact.file}: {wrong}")


def _wrong(artefact: Artefact, data: bytes) -> str:
    if not artefact.file.endswith(".png"):
        return "is no PNG, which is all that goes into a submission"
    if len(data) > LARGEST_FILE:
        return f"is larger than {LARGEST_FILE} bytes"
    if hashlib.sha256(data).hexdigest() != artefact.digest:
        return "does not fit its digest"
    return "" if _is_small_png(data) else f"is not a PNG of at most {LARGEST_SIDE} x {LARGEST_SIDE} pixels"


def _is_small_png(data: bytes) -> bool:
    """Whether it can be decoded; the stated size is looked at first, since a few bytes can unpack to gigabytes of pixels."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            if max(picture.size) > LARGEST_SIDE:
                return False
            picture.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
    return True
