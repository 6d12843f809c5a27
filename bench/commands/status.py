"""`fflbench status`: how far the runs of a results folder are, from another terminal or another machine."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

from rich.console import Console

from fflbench.errors import UserError
from fflbench.records import RecordStore
from fflbench.runner.presence import Journal, journals
from fflbench.runner.progress import Progress, progress_of
from fflbench.wording import duration


def status_command(folder: Path) -> int:
    """Prints the runs that are there, or how the last one ended, and what the folder holds."""
    if not (folder / "records").is_dir():
        found = "a folder without records/" if folder.is_dir() else "no such folder"
        raise UserError(f"status: {folder}: found {found}, needs a folder that `fflbench run` writes to")
    console = Console(highlight=False, soft_wrap=True, markup=False)
    store, runs = RecordStore(folder), journals(folder)
    alive = [run for run in runs if run.alive]
    progress = progress_of(store, [digest for run in alive for digest in run.values["running"]])
    for run in alive:
        for line in _running(run, progress):
            console.print(line)
    if not alive:
        console.print(f"no run is at work here{'; the last one ' + _end(runs[-1]) if runs else ''}")
    counts = _counts(store)
    listed = ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or "none"
    kept = len(list((folder / "checkpoints").glob("*.npz")))
    console.print(f"records: {listed}" + (f"; {kept} unfinished cells have a checkpoint" if kept and not alive else ""))
    return 0


def _running(run: Journal, progress: dict[str, Progress]) -> list[str]:
    values = run.values
    failed = values["counts"].get("failed", 0)
    left = f", about {duration(values['left_s'])} left" if values["left_s"] is not None else ""
    others = f", {values['elsewhere']} at another run" if values["elsewhere"] else ""
    lines = [f"{values['suite']}: {values['done']} of {values['cells']} cells, {failed} failed{others}, "
             f"{duration(time.time() - values['started'])} so far{left} ({run.who}, {values['jobs']} workers)"]  # fmt: skip
    for digest, name in values["running"].items():
        at = progress.get(digest)
        lines.append(f"  {name}: " + (f"{at.done} of {at.total}, {duration(time.time() - at.since)}" if at and at.total
                                      else "beginning"))  # fmt: skip
    return lines


def _end(run: Journal) -> str:
    values, done = run.values, f"with {run.values['done']} of {run.values['cells']} cells"
    ago = f"{duration(time.time() - values['seen'])} ago"
    if not values.get("left"):
        return f"({values['suite']}) died {ago} {done}; the same command goes on from there"
    return f"({values['suite']}) ended {ago} {done}"


def _counts(store: RecordStore) -> Counter[str]:
    counts: Counter[str] = Counter()
    for path in (store.folder / "records").glob("*.json"):
        try:
            counts[json.loads(path.read_bytes())["status"]] += 1
        except (OSError, ValueError, LookupError, TypeError):
            counts["unreadable"] += 1
    return counts
