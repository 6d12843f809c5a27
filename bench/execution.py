"""How a cell is computed: where, with how many threads, how precisely."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fflbench.errors import UserError

if TYPE_CHECKING:
    pass

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Execution:
    """`device` as torch names it; `threads` that torch may use in a worker; `precision` of the networks' forward and
    backward passes (parameters, updates and everything after them stay float32)."""

    device: str = "cpu"
    threads: int = 1
    precision: Precision = "float32"

    def decisive(self) -> dict[str, object]:
        """What of it may change the last digits of a result: which GPU of several does not."""
        return {"device": self.device.partition(":")[0], "threads": self.threads, "precision": self.precision}

    def prepare(self) -> None:
        """Set torch up for this process."""
        import torch

        torch.set_num_threads(self.threads)
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.deterministic = True

    @contextmanager
    def lowered(self) -> Iterator[None]:
        """Networks run in the chosen precision inside."""
        import torch

        with torch.autocast(self.device.partition(":")[0], torch.bfloat16, enabled=self.precision == "bfloat16"):
            yield


FULL = Execution()


def check_device(device: str) -> str:
    """Raises `UserError` unless torch can use the device."""
    import torch

    try:
        torch.ones(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(f"--device: found {device!r}, which torch cannot use here: {str(error).splitlines()[0]}") from None
    return device


def all_of(device: str) -> list[str]:
    """The devices that a name stands for: `cuda` is every GPU, `cuda:1` that one."""
    import torch

    if device == "cuda":
        return [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return [device]
