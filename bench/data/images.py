"""From bytes of pixels to the `Examples` of an image task."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from fflbench.contracts import Examples, LoadedData
from fflbench.data.idx import decode_idx
from fflbench.data.selection import even_subset
from fflbench.data.sources import IDX_FILES
from fflbench.data.storage import Contents
from fflbench.errors import DataError

Pixels = npt.NDArray[np.uint8]
Targets = npt.NDArray[np.integer]
Part = tuple[Pixels, Targets]


def idx_images(
    name: str,
    contents: Contents,
    classes: tuple[str, ...],
    wanted: tuple[int | None, int | None] = (None, None),
) -> LoadedData:
    """An MNIST-like data set from its four IDX files, or an even subset of it (see `image_data`)."""
    images = [decode_idx(contents.files[file], f"{name}: {file}", 3)[:, None] for file in IDX_FILES[::2]]
    targets = [decode_idx(contents.files[file], f"{name}: {file}", 1) for file in IDX_FILES[1::2]]
    for file, pixels, labels in zip(IDX_FILES[1::2], images, targets, strict=True):
        check_targets(f"{name}: {file}", labels, len(pixels), len(classes))
    parts = (images[0], targets[0]), (images[1], targets[1])
    return image_data(name, parts, classes, contents.digest, wanted)


def image_data(
    name: str,
    parts: tuple[Part, Part],
    classes: tuple[str, ...],
    digest: str,
    wanted: tuple[int | None, int | None] = (None, None),
) -> LoadedData:
    """Image data from two parts, training and test: pixels uint8 [n, channels, height, width], targets [n].

    `wanted` asks for an even subset of so many examples of each part. `mean` and `std` are those of the
    training pixels that are returned.
    """
    train = _subset(parts[0], wanted[0], f"{name}.train_examples")
    test = _subset(parts[1], wanted[1], f"{name}.test_examples")
    mean, std = channel_statistics(train[0])
    return LoadedData(_examples(*train), _examples(*test), classes, "image", mean, std, 0, digest)


def channel_statistics(pixels: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of uint8 [n, channels, height, width], in [0, 1] units.

    A constant channel has nothing to scale: its standard deviation is given as 1.
    """
    means, deviations = [], []
    levels = np.arange(256) / 255
    for channel in range(pixels.shape[1]):
        counts = np.bincount(pixels[:, channel].ravel(), minlength=256)
        mean = float(np.average(levels, weights=counts))
        means.append(mean)
        deviations.append(float(np.sqrt(np.average((levels - mean) ** 2, weights=counts))))
    return tuple(means), tuple(deviation if deviation > 1e-8 else 1.0 for deviation in deviations)


def check_targets(where: str, targets: Targets, examples: int, classes: int) -> None:
    """Raise `DataError` unless each of at least one example has a class number below `classes`."""
    if examples == 0:
        raise DataError(f"{where}: found no example, needs at least one")
    if len(targets) != examples:
        raise DataError(f"{where}: found {len(targets)} targets for {examples} examples, needs as many")
    if targets.min() < 0 or targets.max() >= classes:
        raise DataError(f"{where}: found class numbers {targets.min()} to {targets.max()}, needs 0 to {classes - 1}")


def _subset(part: Part, count: int | None, what: str) -> Part:
    if count is None:
        return part
    chosen = even_subset(part[1], count, what)
    return part[0][chosen], part[1][chosen]


def _examples(pixels: Pixels, targets: Targets) -> Examples:
    inputs = torch.from_numpy(pixels.astype(np.float32)).div_(255)
    return Examples(inputs, torch.from_numpy(targets.astype(np.int64)))
