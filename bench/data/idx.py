"""The IDX format of MNIST: a magic number, the sizes of the dimensions, then unsigned bytes."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from fflbench.errors import DataError

_UNSIGNED_BYTE = 0x08


def decode_idx(data: bytes, name: str, dimensions: int) -> npt.NDArray[np.uint8]:
    """The array in an IDX file of unsigned bytes. Raises `DataError` when it is anything else."""
    header = 4 + 4 * dimensions
    wanted = bytes([0, 0, _UNSIGNED_BYTE, dimensions])
    if data[:4] != wanted or len(data) < header:
        raise DataError(
            f"{name}: found the first bytes {data[:4].hex() or 'of an empty file'}, needs an IDX file of "
            f"unsigned bytes in {dimensions} dimensions ({wanted.hex()})"
        )
    shape = struct.unpack(f">{dimensions}I", data[4:header])
    size = int(np.prod(shape, dtype=np.int64))
    if len(data) != header + size:
        raise DataError(f"{name}: found {len(data) - header} bytes of data, needs {size} for the shape {list(shape)}")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def encode_idx(array: npt.NDArray[np.uint8]) -> bytes:
    """The IDX file of an array of unsigned bytes with any number of dimensions."""
    header = bytes([0, 0, _UNSIGNED_BYTE, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + np.ascontiguousarray(array).tobytes()
