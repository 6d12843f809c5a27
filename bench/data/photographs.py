"""Colour crops of two photographs, carried in the package: a temple in China and a flower."""

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
SIZE, STRIDE = 32, 16
_TRAIN_WIDTH = 240


@dataclass(frozen=True)
class Photographs(Dataset):
    """Crops of two photographs: 336 + 96 colour images of 32x32, two classes; carried in the package.

    The photographs are at half their size, 213x320. Windows of 32x32, one every 16 pixels: those inside the
    left 240 columns are for training, those inside the right 80 for testing, so no pixel is in both.
    """

    kind: ClassVar[DataKind] = "image"
    licence: ClassVar[str] = "CC BY 2.0 (china.jpg: danielbuechele, flower.jpg: vultilion)"
    source: ClassVar[str] = "scikit-learn's sample images"

    def load(self) -> LoadedData:
        """Inputs float32 [n, 3, 32, 32] in [0, 1]; target 0 is china, 1 is flower."""
        contents = read_embedded("photographs", (FILE,))
        photographs = decode_idx(contents.files[FILE], f"photographs: {FILE}", 4)
        parts = []
        for columns in (slice(0, _TRAIN_WIDTH), slice(_TRAIN_WIDTH, None)):
            crops = [_crops(photograph[:, columns]) for photograph in photographs]
            parts.append((np.concatenate(crops), np.repeat(np.arange(len(crops)), [len(c) for c in crops])))
        return image_data("photographs", (parts[0], parts[1]), CLASSES, contents.digest)


def _crops(photograph: Pixels) -> Pixels:
    """All windows of uint8 [height, width, 3] as [n, 3, SIZE, SIZE], row by row."""
    windows = np.lib.stride_tricks.sliding_window_view(photograph, (SIZE, SIZE), axis=(0, 1))
    crops: Pixels = windows[::STRIDE, ::STRIDE].reshape(-1, 3, SIZE, SIZE)
    return crops
