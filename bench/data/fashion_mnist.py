"""Fashion-MNIST: pieces of clothing, 28x28 grey. A small even subset is carried in the package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from fflbench.contracts import DataKind, Dataset, LoadedData
from fflbench.data.images import idx_images
from fflbench.data.sources import IDX_FILES
from fflbench.data.storage import read_embedded, read_stored

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


@dataclass(frozen=True)
class FashionMNIST(Dataset):
    """Clothing: 60,000 + 10,000 grey images of 28x28 (`fflbench data fetch fashion-mnist`).

    `train_examples` and `test_examples` take a fixed subset with the classes even.
    """

    train_examples: Annotated[int, Field(ge=1, le=60_000)] | None = None
    test_examples: Annotated[int, Field(ge=1, le=10_000)] | None = None

    kind: ClassVar[DataKind] = "image"
    licence: ClassVar[str] = "MIT (Zalando SE)"
    source: ClassVar[str] = "Xiao, Rasul, Vollgraf: Fashion-MNIST (arXiv 1708.07747)"

    def load(self) -> LoadedData:
        """Inputs float32 [n, 1, 28, 28] in [0, 1]; targets index `CLASSES`."""
        places = ("fashion-mnist", "FashionMNIST/raw", "/usr/share/datasets/fashion-mnist")
        contents = read_stored("fashion-mnist", places, IDX_FILES)
        return idx_images("fashion-mnist", contents, CLASSES, (self.train_examples, self.test_examples))


@dataclass(frozen=True)
class FashionMNISTSmall(Dataset):
    """Clothing, carried in the package: 5,000 + 1,000 grey images of 28x28, ten classes of equal size.

    The subset is `even_subset(targets, 5000)` of the original training part and `even_subset(targets, 1000)`
    of the test part; `train_examples` and `test_examples` take a smaller even subset of it.
    """

    train_examples: Annotated[int, Field(ge=1, le=5_000)] | None = None
    test_examples: Annotated[int, Field(ge=1, le=1_000)] | None = None

    kind: ClassVar[DataKind] = "image"
    licence: ClassVar[str] = FashionMNIST.licence
    source: ClassVar[str] = FashionMNIST.source

    def load(self) -> LoadedData:
        """Inputs float32 [n, 1, 28, 28] in [0, 1]; targets index `CLASSES`."""
        contents = read_embedded("fashion-mnist-small", IDX_FILES)
        return idx_images("fashion-mnist-small", contents, CLASSES, (self.train_examples, self.test_examples))
