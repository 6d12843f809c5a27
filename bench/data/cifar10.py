"""CIFAR-10: small colour photographs of ten kinds of things, 32x32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from fflbench.contracts import DataKind, Dataset, LoadedData
from fflbench.data.images import Pixels, Targets, check_targets, image_data
from fflbench.data.sources import CIFAR10_FILES
from fflbench.data.storage import data_folder, read_stored
from fflbench.errors import DataError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_RECORD = 1 + 3 * 32 * 32


@dataclass(frozen=True)
class CIFAR10(Dataset):
    """Small photographs: 50,000 + 10,000 colour images of 32x32 (`fflbench data fetch cifar10`).

    Reads the binary version; the version for Python is made of pickles, which are never loaded.
    `train_examples` and `test_examples` take a fixed subset with the classes even.
    """

    train_examples: Annotated[int, Field(ge=1, le=50_000)] | None = None
    test_examples: Annotated[int, Field(ge=1, le=10_000)] | None = None

    kind: ClassVar[DataKind] = "image"
    licence: ClassVar[str] = "none stated by the authors"
    source: ClassVar[str] = "Krizhevsky: Learning multiple layers of features from tiny images (2009)"

    def load(self) -> LoadedData:
        """Inputs float32 [n, 3, 32, 32] in [0, 1]; targets index `CLASSES`."""
        pickles = (data_folder() / "cifar-10-batches-py").is_dir()
        hint = "; cifar-10-batches-py there holds pickles, which are never loaded" if pickles else ""
        contents = read_stored("cifar10", ("cifar10", "cifar-10-batches-bin"), CIFAR10_FILES, hint)
        parts = [_records(contents.files[file], f"cifar10: {file}") for file in CIFAR10_FILES]
        train = np.concatenate([p for p, _ in parts[:-1]]), np.concatenate([t for _, t in parts[:-1]])
        wanted = self.train_examples, self.test_examples
        return image_data("cifar10", (train, parts[-1]), CLASSES, contents.digest, wanted)


def _records(data: bytes, where: str) -> tuple[Pixels, Targets]:
    if not data or len(data) % _RECORD:
        raise DataError(f"{where}: found {len(data)} bytes, needs a multiple of {_RECORD} (CIFAR-10's binary version)")
    records = np.frombuffer(data, np.uint8).reshape(-1, _RECORD)
    check_targets(where, records[:, 0], len(records), len(CLASSES))
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]
