"""MNIST: handwritten digits, 28x28 grey."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from fflbench.contracts import DataKind, Dataset, LoadedData
from fflbench.data.images import idx_images
from fflbench.data.sources import IDX_FILES
from fflbench.data.storage import read_stored


@dataclass(frozen=True)
class MNIST(Dataset):
    """Handwritten digits: 60,000 + 10,000 grey images of 28x28 (`fflbench data fetch mnist`).

    `train_examples` and `test_examples` take a fixed subset with the classes even.
    """

    train_examples: Annotated[int, Field(ge=1, le=60_000)] | None = None
    test_examples: Annotated[int, Field(ge=1, le=10_000)] | None = None

    kind: ClassVar[DataKind] = "image"
    licence: ClassVar[str] = "CC BY-SA 3.0 (Yann LeCun, Corinna Cortes)"
    source: ClassVar[str] = "LeCun, Cortes, Burges: The MNIST database of handwritten digits"

    def load(self) -> LoadedData:
        """Inputs float32 [n, 1, 28, 28] in [0, 1]; targets are the digits."""
        contents = read_stored("mnist", ("mnist", "MNIST/raw"), IDX_FILES)
        classes = tuple(str(digit) for digit in range(10))
        return idx_images("mnist", contents, classes, (self.train_examples, self.test_examples))
