"""What a data set plug-in is, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

DataKind = Literal["image", "tabular", "text"]


@dataclass(frozen=True)
class Examples:
    """`inputs`: images float32 [n, channels, height, width] in [0, 1], tables float32 [n, features], texts int64
    [n, length]; `targets`: int64 [n]."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: Tensor) -> Examples:
        return Examples(self.inputs[index], self.targets[index])


@dataclass(frozen=True)
class LoadedData:
    """A data set in memory. `mean` and `std` are per channel (images only); `digest` is the SHA-256 of what was read;
    `levels` are per feature (tables only) the values that a category takes, () for a number, or nothing at all."""

    train: Examples
    test: Examples
    classes: tuple[str, ...]
    kind: DataKind
    mean: tuple[float, ...]
    std: tuple[float, ...]
    vocabulary: int
    digest: str
    levels: tuple[tuple[float, ...], ...] = ()


class Dataset:
    """A data set plug-in; its constructor arguments are what a suite may set."""

    kind: ClassVar[DataKind]
    licence: ClassVar[str] = ""
    source: ClassVar[str] = ""

    def load(self) -> LoadedData:
        """Read the data. Raises `DataError` with the remedy when they are missing or damaged."""
        raise NotImplementedError
