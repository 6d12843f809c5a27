"""What is kept from round to round, as one file without pickle: JSON for the shape of it, npy for the arrays."""

from __future__ import annotations

import json
import math
import zipfile
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from enum import Enum
from types import FunctionType
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

TREE = "state.json"
_PLAIN = (bool, int, str, type(None))
_SEQUENCES: dict[str, type] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
_MAPPINGS: dict[str, type] = {"dict": dict, "Counter": Counter}

Array = np.ndarray[Any, Any]


class NotKeepableError(Exception):
    """A value that no file can hold without running somebody's code to read it again."""


def write_state(file: BinaryIO, state: Mapping[str, Any]) -> None:
    """Numbers, text, tensors, arrays, and lists, tuples, sets, deques and dictionaries of them. Raises
    `NotKeepableError` with the place of anything else."""
    arrays: list[Tensor | Array] = []
    tree = json.dumps(_freeze(dict(state), arrays, "state"))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(TREE, tree)
        for index, array in enumerate(arrays):
            with archive.open(f"{index}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, _plain_array(array), allow_pickle=False)


def read_state(file: BinaryIO, device: torch.device) -> dict[str, Any]:
    """The state again; tensors that were on an accelerator go to `device`. Raises `ValueError` when this is not a file that
    `write_state` made."""
    try:
        with zipfile.ZipFile(file) as archive:

            def array(index: int) -> Array:
                with archive.open(f"{index}.npy") as entry:
                    found: Array = np.lib.format.read_array(entry, allow_pickle=False)
                return found

            state: dict[str, Any] = _Thaw(array, device)(json.loads(archive.read(TREE)))
            return state
    except (zipfile.BadZipFile, LookupError, TypeError, EOFError, RuntimeError, NotImplementedError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None


class Kept:
    """What some objects keep from round to round, as against how they were made: every attribute that is not still the
    very number, text, enum or function that it was."""

    def __init__(self, owners: Mapping[str, object]) -> None:
        self._owners = dict(owners)
        self._made = {name: dict(getattr(owner, "__dict__", {})) for name, owner in owners.items()}

    def save(self) -> dict[str, dict[str, Any]]:
        """Raises `NotKeepableError` for an object that does not show what it holds."""
        for owner in self._owners.values():
            if not hasattr(owner, "__dict__"):
                raise NotKeepableError(f"{type(owner).__name__} has slots")
        return {
            name: {key: dict(value) if isinstance(value, defaultdict) else value
                   for key, value in vars(owner).items() if not self._unchanged(name, key, value)}
            for name, owner in self._owners.items()
        }  # fmt: skip

    def restore(self, saved: Mapping[str, Mapping[str, Any]]) -> None:
        for name, values in saved.items():
            for key, value in values.items():
                present = vars(self._owners[name]).get(key)
                if isinstance(present, defaultdict):  # Keeps what it makes for keys that are not there.
                    present.clear()
                    present.update(value)
                else:
                    vars(self._owners[name])[key] = value

    def _unchanged(self, name: str, key: str, value: object) -> bool:
        same = key in self._made[name] and value is self._made[name][key]
        return same and isinstance(value, (*_PLAIN, float, Enum, FunctionType, type))


def _freeze(value: Any, arrays: list[Tensor | Array], where: str) -> Any:
    """JSON for a value: itself if it is plain, else a list of its kind and its content."""
    kind = type(value)
    if kind in _PLAIN or (kind is float and math.isfinite(value)):
        return value
    if kind is float:
        return ["float", repr(value)]
    if kind is Tensor and not value.requires_grad and value.layout is torch.strided:
        arrays.append(value)
        return ["tensor", len(arrays) - 1, value.dtype is torch.bfloat16, value.device.type != "cpu"]
    if isinstance(value, (np.ndarray, np.generic)) and not np.asarray(value).dtype.hasobject:
        arrays.append(np.asarray(value))
        return ["array" if isinstance(value, np.ndarray) else "number", len(arrays) - 1]
    if kind in _SEQUENCES.values():
        ordered = sorted(value, key=repr) if kind in (set, frozenset) else value
        return [kind.__name__, [_freeze(item, arrays, f"{where}.{i}") for i, item in enumerate(ordered)]]
    if kind is deque:
        return ["deque", [_freeze(item, arrays, f"{where}.{i}") for i, item in enumerate(value)], value.maxlen]
    if kind in _MAPPINGS.values():
        return [kind.__name__, [[_freeze(k, arrays, where), _freeze(v, arrays, f"{where}.{k}")] for k, v in value.items()]]
    raise NotKeepableError(f"{where} holds a {kind.__name__}")


class _Thaw:
    """The inverse of `_freeze`."""

    def __init__(self, array: Any, device: torch.device) -> None:
        self._array, self._device = array, device

    def __call__(self, tree: Any) -> Any:
        if not isinstance(tree, list):
            return tree
        kind, content = tree[0], tree[1]
        if kind == "float":
            return float(content)
        if kind == "tensor":
            tensor = torch.from_numpy(self._array(content))
            tensor = tensor.view(torch.bfloat16) if tree[2] else tensor
            return tensor.to(self._device) if tree[3] else tensor
        if kind in ("array", "number"):
            array = self._array(content)
            return array if kind == "array" else array[()]
        if kind == "deque":
            return deque(map(self, content), tree[2])
        if kind in _SEQUENCES:
            return _SEQUENCES[kind](map(self, content))
        return _MAPPINGS[kind]({self(key): self(value) for key, value in content})


def _plain_array(array: Tensor | Array) -> Array:
    """numpy has no bfloat16: its bits go as whole numbers."""
    if isinstance(array, np.ndarray):
        return array
    tensor = array.cpu().contiguous()
    found: Array = (tensor.view(torch.int16) if tensor.dtype is torch.bfloat16 else tensor).numpy()
    return found
