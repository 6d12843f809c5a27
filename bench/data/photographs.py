"""Colour crops of two photographs, carried in the package: a pagoda in China and a flower."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fflbench.contracts import DataKind, Dataset, LoadedData
from fflbench.data.idx import decode_idx
from fflbench.data.images import Pixels, image_data
from fflbench.data.storage import read_embedded

CLASSES = ("china", "flower")
FILE = "photographs-idx4-ubyte"
SIZE, STRIDE = 32, 8
_BORDER = 192
_TRAIN_EACH, _TEST_EACH = 240, 60


@dataclass(frozen=True)
class Photographs(Dataset):
    """Crops of two photographs, carried in the package: 480 + 120 colour images of 32x32, two classes.

    The photographs are at half their size, 213x320. Of the windows of 32x32, one every 8 pixels, those inside the left
    192 columns are for training and those inside the right 128 for testing, so no pixel is in both. Of each photograph
    the 240 and 60 windows with the largest variance are kept, the largest first: empty sky shows nothing.
    """

    kind: ClassVar[DataKind] = "image"
    licence: ClassVar[str] = "CC BY 2.0 (china.jpg: danielbuechele, flower.jpg: vultilion)"
    source: ClassVar[str] = "scikit-learn's sample images"

    def load(self) -> LoadedData:
        """Inputs float32 [n, 3, 32, 32] in [0, 1]; target 0 is china, 1 is flower."""
        contents = read_embedded("photographs", (FILE,))
        photographs = decode_idx(contents.files[FILE], f"photographs: {FILE}", 4)
        parts = []
        for columns, each in ((slice(0, _BORDER), _TRAIN_EACH), (slice(_BORDER, None), _TEST_EACH)):
            crops = [_most_detailed(_windows(photograph[:, columns]), each) for photograph in photographs]
            parts.append((np.concatenate(crops), np.repeat(np.arange(len(crops)), each)))
        return image_data("photographs", (parts[0], parts[1]), CLASSES, contents.digest)


def _windows(photograph: Pixels) -> Pixels:
    """All windows of uint8 [height, width, 3] as [n, 3, SIZE, SIZE], row by row."""
    windows = np.lib.stride_tricks.sliding_window_view(photograph, (SIZE, SIZE), axis=(0, 1))
    found: Pixels = windows[::STRIDE, ::STRIDE].reshape(-1, 3, SIZE, SIZE)
    return found


def _most_detailed(windows: Pixels, count: int) -> Pixels:
    """The windows with the largest variance within their channels, in whole numbers so that it is exact everywhere."""
    values = windows.reshape(len(windows), 3, -1).astype(np.int64)
    spread = (SIZE * SIZE * (values**2).sum(axis=2) - values.sum(axis=2) ** 2).sum(axis=1)
    return windows[np.argsort(-spread, kind="stable")[:count]]
