"""What a data set plug-in returns is checked once, so that wrong data are refused instead of scored."""

from __future__ import annotations

import torch

from fflbench.dataset import Examples, LoadedData
from fflbench.errors import DataError


def checked_data(data: object, name: str) -> LoadedData:
    """The data, if every part is what `LoadedData` promises. Raises `DataError` with what was found."""
    if not isinstance(data, LoadedData):
        raise DataError(f"data set {name}: load returned {type(data).__name__}, needs LoadedData")
    classes = data.classes
    if len(classes) < 2 or len(set(classes)) != len(classes):
        raise DataError(f"data set {name}: found the classes {classes[:5]}, needs at least two with different names")
    for part, examples in (("train", data.train), ("test", data.test)):
        _check_targets(examples, len(classes), f"data set {name}: {part}")
        _check_inputs(examples.inputs, data.kind, f"data set {name}: {part}")
    if data.train.inputs.shape[1:] != data.test.inputs.shape[1:]:
        raise DataError(f"data set {name}: train and test inputs differ in shape: {tuple(data.train.inputs.shape[1:])} and "
                        f"{tuple(data.test.inputs.shape[1:])}")  # fmt: skip
    if data.kind == "image":
        channels = data.train.inputs.shape[1]
        if len(data.mean) != channels or len(data.std) != channels or not all(value > 0 for value in data.std):
            raise DataError(f"data set {name}: found mean {data.mean} and std {data.std}, needs one of each for {channels} "
                            "channels, std above 0")  # fmt: skip
    if data.levels and (data.kind != "tabular" or len(data.levels) != data.train.inputs.shape[1]):
        raise DataError(f"data set {name}: found levels of {len(data.levels)} features, needs one entry for each feature "
                        "of a table, or none at all")  # fmt: skip
    return data


def _check_targets(examples: Examples, classes: int, where: str) -> None:
    targets = examples.targets
    if len(targets) == 0 or len(examples.inputs) != len(targets):
        raise DataError(
            f"{where}: found {len(examples.inputs)} inputs and {len(targets)} targets, needs equally many, not none"
        )
    if targets.dtype != torch.int64 or targets.ndim != 1 or int(targets.min()) < 0 or int(targets.max()) >= classes:
        raise DataError(f"{where}: found targets {targets.dtype} from {targets.min()} to {targets.max()}, needs int64 [n] "
                        f"from 0 to {classes - 1}")  # fmt: skip


def _check_inputs(inputs: torch.Tensor, kind: str, where: str) -> None:
    if kind == "text":
        if inputs.dtype != torch.int64 or inputs.ndim != 2:
            raise DataError(f"{where}: found inputs {inputs.dtype} with {inputs.ndim} dimensions, needs int64 [n, length]")
        return
    dimensions = 4 if kind == "image" else 2
    if inputs.dtype != torch.float32 or inputs.ndim != dimensions:
        raise DataError(
            f"{where}: found inputs {inputs.dtype} with {inputs.ndim} dimensions, needs float32 with {dimensions}"
        )
    low, high = float(inputs.min()), float(inputs.max())
    if not bool(torch.isfinite(inputs).all()) or (kind == "image" and (low < 0 or high > 1)):
        needed = "finite values in [0, 1]" if kind == "image" else "finite values"
        raise DataError(f"{where}: found inputs from {low:g} to {high:g}, needs {needed}")
