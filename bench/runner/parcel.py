"""Plug-in files as bytes, for machines that do not have them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fflbench.runner.sources import neighbours


@dataclass(frozen=True)
class Parcel:
    """The content of files by path below a common folder, and which of them are plug-in files."""

    files: dict[str, bytes]
    plugins: tuple[str, ...]

    @staticmethod
    def of(plugins: Iterable[Path]) -> Parcel:
        """Plug-in files and all that they import from beside them; their places relative to each other stay."""
        chosen = [path.resolve() for path in plugins]
        found = neighbours(*chosen)
        root = Path(os.path.commonpath([path.parent for path in found])) if found else Path()
        files = {path.relative_to(root).as_posix(): data for path, data in found.items()}
        return Parcel(files, tuple(path.relative_to(root).as_posix() for path in chosen))

    def unpack(self, folder: Path) -> tuple[Path, ...]:
        """Write the files into a folder; returns the plug-in files."""
        for name, data in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return tuple(folder / name for name in self.plugins)
