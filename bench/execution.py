"""How a cell is computed: where, with how many threads, how precisely."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from fflbench.errors import UserError

Precision = Literal["float32", "tfloat32", "bfloat16"]
Engine = Literal["auto", "native", "torch"]


@dataclass(frozen=True)
class Execution:
    """`device` as torch names it; `threads` that torch may use in a worker; `precision` of the networks' forward and
    backward passes (parameters, updates and everything after them stay float32; `tfloat32` multiplies float32 with ten
    bits behind the point, on the tensor cores of a GPU); `engine` of local training and evaluation, and of what observers
    simulate: native code or torch; `auto` takes native code wherever it is there and covers the model. `abreast` is how
    many peers train at once, a thread each, which changes nothing but the time."""

    device: str = "cpu"
    threads: int = 1
    precision: Precision = "float32"
    engine: Engine = "auto"
    abreast: int = 1

    @property
    def allows_native(self) -> bool:
        return self.engine != "torch" and self.device == "cpu" and self.precision == "float32"

    def decisive(self) -> dict[str, object]:
        """What of it may change the last digits of a result: which GPU of several does not, nor which instruction set."""
        usual = {"device": self.device.partition(":")[0], "threads": self.threads, "precision": self.precision}
        return {**usual, **native_or_not(self.engine)}

    def prepare(self) -> None:
        """Set torch and the native code up for this process."""
        import torch

        from fflbench.extension import use_inexact

        use_inexact(self.engine == "native")
        torch.set_num_threads(self.threads)
        _use_tensor_cores(False)
        torch.backends.cudnn.deterministic = True

    @contextmanager
    def lowered(self) -> Iterator[None]:
        """Networks run forward and backward in the chosen precision inside."""
        import torch

        kind, low = self.device.partition(":")[0], self.precision == "bfloat16"
        _use_tensor_cores(self.precision == "tfloat32")
        library = torch.backends.mkldnn.enabled
        if low and kind == "cpu" and torch.backends.cpu.get_cpu_capability() in ("AVX2", "DEFAULT"):
            # Its recurrent layers fail there.
            torch.backends.mkldnn.enabled = False  # type: ignore[assignment]
        try:
            with torch.autocast(kind, torch.bfloat16, enabled=low):
                yield
        finally:
            torch.backends.mkldnn.enabled = library
            _use_tensor_cores(False)


FULL = Execution()


def _use_tensor_cores(yes: bool) -> None:
    """Whether torch multiplies float32 in tfloat32 on a GPU."""
    import torch

    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = yes


def native_or_not(computed_by: str) -> dict[str, str]:
    """The part of a record's digest that says who computed it. Torch is not named: records are older than the choice."""
    return {"computed_by": "native"} if computed_by.startswith("native") else {}


def check_engine(execution: Execution) -> Execution:
    """Raises `UserError` where the native loop is asked for and cannot be had, or tensor cores where there are none."""
    if execution.precision == "tfloat32" and not execution.device.startswith("cuda"):
        raise UserError(f"precision tfloat32: found {execution.device}, needs cuda")
    if execution.engine == "native":
        from fflbench.extension import MISSING

        if MISSING:
            raise UserError(f"engine native: {MISSING}")
        if not execution.allows_native:
            found = f"{execution.device} and {execution.precision}"
            raise UserError(f"engine native: found {found}, needs cpu and float32")
    return execution


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
