"""Memory for fragments that are packed, sealed and opened."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fflbench import extension


class Room:
    """Lends memory, the same again once nobody refers to it any more: fresh memory takes longer than what is done with it
    here. Without native code it is always fresh. `most` bytes are what is asked for at once, or else that is fresh too."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pool = extension.native.Pool(most) if extension.FLAVOURS else None

    def lent(self, size: int) -> NDArray[np.uint8]:
        return np.empty(size, dtype=np.uint8) if self._pool is None or size > self._most else self._pool.lent(size)
