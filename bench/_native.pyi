from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

def flavours() -> list[str]: ...
def ranked(
    rows: NDArray[np.float32],
    network: NDArray[np.int32],
    ranks: NDArray[np.int32],
    to: NDArray[np.float32],
    mean: bool,
    flavour: str,
) -> bool: ...
def counted(rows: NDArray[np.float32], rank: int, pair: bool, to: NDArray[np.float32], mean: bool, flavour: str) -> bool: ...
def median(rows: NDArray[np.float32], to: NDArray[np.float32], flavour: str) -> bool: ...
def near_median(
    rows: NDArray[np.float32], network: NDArray[np.int32], count: int, to: NDArray[np.float32], flavour: str
) -> bool: ...
def summed(
    rows: NDArray[np.float32], point: NDArray[np.float32] | None, *, products: bool, flavour: str
) -> NDArray[np.float64]: ...
def votes(rows: NDArray[np.float32], to: NDArray[np.float32], flavour: str) -> None: ...
def means(rows: NDArray[np.float32], chosen: NDArray[np.int64], to: NDArray[np.float32], flavour: str) -> None: ...
def gram(rows: NDArray[np.float32], origin: NDArray[np.float32] | None, flavour: str) -> NDArray[np.float64]: ...
def swap(
    first: NDArray[np.float32], second: NDArray[np.float32], words: NDArray[np.uint32], threshold: int, flavour: str
) -> int: ...
def ciphers() -> list[str]: ...
def exchange(first: NDArray[np.float32], second: NDArray[np.float32], seed: bytes, threshold: int, cipher: str) -> int: ...
def draw(seed: bytes, threshold: int, count: int, chosen: NDArray[np.uint8], cipher: str) -> int: ...
def pack(row: NDArray[np.uint32], chosen: NDArray[np.uint8], values: NDArray[np.uint32], flavour: str) -> None: ...
def unpack(row: NDArray[np.uint32], chosen: NDArray[np.uint8], values: NDArray[np.uint32], flavour: str) -> None: ...

class Pool:
    def __init__(self, capacity: int) -> None: ...
    def lent(self, size: int) -> NDArray[np.uint8]: ...

class Layer:
    def __init__(
        self,
        kind: str,
        *,
        weight: int = -1,
        bias: int = -1,
        mean: int = -1,
        variance: int = -1,
        outputs: int = 0,
        kernel: tuple[int, int] = (1, 1),
        stride: int = 1,
        padding: int = 0,
        drop: float = 0.0,
        by_channel: bool = False,
        pool: bool = False,
        relu: bool = False,
        epsilon: float = 0.0,
        momentum: float = 0.0,
        vocabulary: int = 0,
        directions: Sequence[tuple[int, int, int, int]] = (),
    ) -> None: ...

class Optimiser:
    def __init__(self, *, adam: bool, rate: float, momentum: float = 0.0, decay: float = 0.0) -> None: ...

class Program:
    def __init__(
        self, layers: Sequence[Layer], shape: tuple[int, int, int], size: int, trainable: int, flavour: str
    ) -> None: ...
    @property
    def flavour(self) -> str: ...
    @property
    def outputs(self) -> int: ...
    @property
    def vocabulary(self) -> int: ...
    def train(
        self,
        parameters: NDArray[np.float32],
        inputs: NDArray[np.float32],
        targets: NDArray[np.int64],
        orders: NDArray[np.int64],
        batch: int,
        optimiser: Optimiser,
        seed: int,
    ) -> None: ...
    def evaluate(self, parameters: NDArray[np.float32], inputs: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def masks(self, sizes: Sequence[int], seed: int) -> list[list[NDArray[np.float32]]]: ...

class Tape:
    def __init__(self) -> None: ...

class Descent:
    def __init__(self, layers: Sequence[Layer], shape: Sequence[int], size: int, trainable: int, flavour: str) -> None: ...
    def forward(
        self,
        tape: Tape,
        parameters: NDArray[np.float32],
        inputs: NDArray[np.float32],
        targets: NDArray[np.float32],
        steps: int,
        rate: float,
    ) -> NDArray[np.float32]: ...
    def backward(self, tape: Tape, slopes: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...
