"""A data set of the user's own: arrays in one NumPy file."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from fflbench.contracts import DataKind, Dataset, Examples, LoadedData
from fflbench.data.images import check_targets, image_data
from fflbench.data.storage import file_sha256
from fflbench.errors import DataError

Array = npt.NDArray[Any]
_REQUIRED = ("train_inputs", "train_targets", "test_inputs", "test_targets")


@dataclass(frozen=True)
class Images(Dataset):
    """Your own images in one `.npz` file of arrays.

    `train_inputs` and `test_inputs` are uint8 [n, channels, height, width] with 1 or 3 channels, `train_targets`
    and `test_targets` class numbers [n], and `classes`, which may be absent, the names of the classes.
    """

    path: str

    kind: ClassVar[DataKind] = "image"
    licence: ClassVar[str] = "yours"
    source: ClassVar[str] = "a NumPy file of your own"

    def load(self) -> LoadedData:
        """Inputs float32 [n, channels, height, width] in [0, 1]."""
        arrays, classes, digest = _read(self.path)
        for name in ("train_inputs", "test_inputs"):
            array = arrays[name]
            if array.dtype != np.uint8 or array.ndim != 4 or array.shape[1] not in (1, 3):
                _refuse(self.path, name, array, "uint8 [n, 1 or 3, height, width]")
        _same_shape(self.path, arrays)
        train, test = ((arrays[f"{part}_inputs"], arrays[f"{part}_targets"]) for part in ("train", "test"))
        return image_data("images", (train, test), classes, digest)


@dataclass(frozen=True)
class Table(Dataset):
    """Your own table in one `.npz` file of arrays.

    `train_inputs` and `test_inputs` are numbers [n, features], `train_targets` and `test_targets` class numbers
    [n], and `classes`, which may be absent, the names of the classes. Every feature is standardised by the
    training part's mean and standard deviation; a constant one becomes 0.
    """

    path: str

    kind: ClassVar[DataKind] = "tabular"
    licence: ClassVar[str] = "yours"
    source: ClassVar[str] = "a NumPy file of your own"

    def load(self) -> LoadedData:
        """Inputs float32 [n, features], standardised."""
        arrays, classes, digest = _read(self.path)
        for name in ("train_inputs", "test_inputs"):
            array = arrays[name]
            if array.dtype.kind not in "iuf" or array.ndim != 2 or array.shape[1] == 0:
                _refuse(self.path, name, array, "numbers [n, features]")
            if not np.isfinite(array).all():
                raise DataError(f"{self.path}: {name}: found a value that is not finite, needs finite numbers only")
        _same_shape(self.path, arrays)
        features = arrays["train_inputs"].astype(np.float64)
        mean, deviation = features.mean(axis=0), features.std(axis=0)
        deviation[deviation < 1e-12] = 1
        parts = []
        for part in ("train", "test"):
            standard = ((arrays[f"{part}_inputs"] - mean) / deviation).astype(np.float32)
            targets = arrays[f"{part}_targets"].astype(np.int64)
            parts.append(Examples(torch.from_numpy(standard), torch.from_numpy(targets)))
        return LoadedData(parts[0], parts[1], classes, "tabular", (), (), 0, digest)


def _read(path: str) -> tuple[dict[str, Array], tuple[str, ...], str]:
    """The arrays by name, the names of the classes, and the digest of the file."""
    file = Path(path).expanduser()
    try:
        if file.is_file() and not zipfile.is_zipfile(file):
            raise ValueError("not an .npz archive")
        with np.load(file, allow_pickle=False) as stored:
            missing = [name for name in _REQUIRED if name not in stored]
            if missing:
                found = ", ".join(sorted(stored)) or "nothing"
                raise DataError(f"{file}: found {found}, needs {', '.join(_REQUIRED)} ({missing[0]} is missing)")
            arrays = {name: stored[name] for name in (*_REQUIRED, "classes") if name in stored}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise DataError(f"{file}: cannot be read as an .npz file without pickles ({error})") from None
    return arrays, _check_classes(path, arrays), file_sha256(file)


def _check_classes(path: str, arrays: dict[str, Array]) -> tuple[str, ...]:
    """The class names, after a check that every part has its targets."""
    for name in ("train_targets", "test_targets"):
        if arrays[name].dtype.kind not in "iu" or arrays[name].ndim != 1:
            _refuse(path, name, arrays[name], "integers [n]")
    if "classes" in arrays:
        if arrays["classes"].dtype.kind != "U" or arrays["classes"].ndim != 1 or not arrays["classes"].size:
            _refuse(path, "classes", arrays["classes"], "text [number of classes]")
        classes = tuple(str(name) for name in arrays["classes"])
    else:
        classes = tuple(str(label) for label in range(int(max(arrays["train_targets"], default=0)) + 1))
    for part in ("train", "test"):
        inputs = arrays[f"{part}_inputs"]
        examples = len(inputs) if inputs.ndim else 0
        check_targets(f"{path}: {part}_targets", arrays[f"{part}_targets"], examples, len(classes))
    return classes


def _same_shape(path: str, arrays: dict[str, Array]) -> None:
    train, test = arrays["train_inputs"], arrays["test_inputs"]
    if train.shape[1:] != test.shape[1:]:
        _refuse(path, "test_inputs", test, f"the shape of train_inputs, {list(train.shape[1:])} for each example")


def _refuse(path: str, name: str, array: Array, needed: str) -> None:
    raise DataError(f"{path}: {name}: found {array.dtype} {list(array.shape)}, needs {needed}")
