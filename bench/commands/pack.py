"""`fflbench pack`: the records of a results folder in one small file."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from fflbench.leaderboard.packed import pack


def pack_command(results: Path, out: Path) -> None:
    console, warnings = Console(highlight=False), Console(stderr=True, highlight=False, soft_wrap=True)
    file, records, problems = pack(results, out)
    for line in problems:
        warnings.print(line, markup=False)
    console.print(f"{records} records in {file} ({file.stat().st_size / 1e3:.0f} kB)", soft_wrap=True, markup=False)
    console.print(f"Next: fflbench leaderboard {out}", soft_wrap=True, markup=False)
