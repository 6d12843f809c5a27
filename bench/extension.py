"""The native code (`bench/native`): whether it is here, and for which processors."""

from __future__ import annotations

__all__ = ["FLAVOURS", "MISSING", "native"]

FLAVOURS: tuple[str, ...] = ()
"""The instruction sets that it can use here, the fastest first; empty where it is not there."""
MISSING = ""
"""Why it is not there."""

try:
    import fflbench._native as native
except ModuleNotFoundError:
    MISSING = "was not built when fflbench was installed, which takes a C++17 compiler"
except ImportError as error:
    MISSING = f"cannot be loaded: {error}"
else:
    FLAVOURS = tuple(native.flavours())
