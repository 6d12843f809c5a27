"""`fflbench doctor`: is this installation fit to run?"""

from __future__ import annotations

import os
import platform
from importlib import metadata

from rich.console import Console

from fflbench import __version__, registry
from fflbench.errors import UserError
from fflbench.runner.provenance import LIBRARIES


def doctor_command() -> int:
    """Prints what was found; returns 1 when a plug-in is broken or a built-in data set is damaged."""
    from fflbench.parameters import construct

    console = Console(highlight=False, soft_wrap=True)
    console.print(f"fflbench {__version__}, Python {platform.python_version()}, {platform.platform()}")
    console.print("libraries: " + ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES))
    console.print(f"cores: {os.cpu_count()}; devices: {', '.join(_devices())}")
    console.print(f"native training loop: {_native()}")
    broken = 0
    for kind in registry.KINDS:
        names = registry.plugins(kind)
        for plugin in names.values():
            try:
                plugin.load()
            except UserError as error:
                broken += 1
                console.print(f"[red]broken[/] {error}", markup=True)
        console.print(f"{kind}: {len(names)}")
    for name in ("fashion-mnist-small", "adult", "movie-snippets", "photographs"):
        try:
            data = construct(registry.load("datasets", name), {}).load()
            console.print(f"data {name}: {len(data.train)} + {len(data.test)} examples, sha256 {data.digest[:12]}...")
        except UserError as error:
            broken += 1
            console.print(f"[red]data {name}[/]: {error}")
    console.print("[green]ready[/]" if not broken else f"[red]{broken} problems[/]")
    return 1 if broken else 0


def _native() -> str:
    from fflbench.extension import FLAVOURS, MISSING

    return f"not here: {MISSING}" if MISSING else f"{FLAVOURS[0]} (of {', '.join(FLAVOURS)})"


def _devices() -> list[str]:
    import torch

    found = ["cpu"] + [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    return found + (["mps"] if torch.backends.mps.is_available() else [])
