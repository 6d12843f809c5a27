"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Plugins = Annotated[list[Path] | None, typer.Option("--plugin", help="A Python file of plug-ins; may be repeated.")]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", help="Only the cells TASK/ATTACK/DEFENSE; * and left-out parts match all; may be repeated."),
]


def load_plugins(files: list[Path] | None) -> tuple[Path, ...]:
    """Import the files; returns their absolute paths."""
    if not files:
        return ()
    from fflbench import registry

    for path in files:
        registry.load_file(path)
    return tuple(path.resolve() for path in files)
