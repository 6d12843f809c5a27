"""Rows as native code takes them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def as_native(rows: Tensor) -> NDArray[np.float32] | None:
    """The memory of rows [n, d], or None where native code cannot work on it: another device or type, nothing in it, entries
    of a row that lie apart."""
    usable = rows.device.type == "cpu" and rows.dtype == torch.float32 and rows.numel() and rows.stride(1) == 1
    return rows.detach().numpy() if usable else None
