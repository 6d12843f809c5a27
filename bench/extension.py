"""The native code (`bench/native`): whether it is here, and for which processors."""

from __future__ import annotations

__all__ = ["CIPHERS", "FLAVOURS", "MISSING", "inexact", "native", "use_inexact"]

FLAVOURS: tuple[str, ...] = ()
"""The instruction sets that it can use here, the fastest first; empty where it is not there."""
CIPHERS: tuple[str, ...] = ()
"""The ways in which it can encipher here, likewise; empty where the processor has no instructions for it."""
MISSING = ""
"""Why it is not there."""

try:
    import fflbench._native as native
except ModuleNotFoundError:
    MISSING = "was not built when fflbench was installed, which takes a C++17 compiler"
except ImportError as error:
    MISSING = f"cannot be loaded: {error}"
else:
    FLAVOURS, CIPHERS = tuple(native.flavours()), tuple(native.ciphers())

_inexact = False


def use_inexact(allowed: bool) -> None:
    """Whether native code may be used in this process where it differs from torch in the last digits: in cells whose engine
    is native, as their records say."""
    global _inexact
    _inexact = allowed


def inexact() -> str | None:
    """The instruction set for such code, or None where torch has to do it."""
    return FLAVOURS[0] if _inexact and FLAVOURS else None
