"""`fflbench run`: runs a suite and shows how far it is."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from fflbench.records import Record, Status
from fflbench.runner.pool import Finished, progress_of
from fflbench.runner.run import Run, Settings, check_device, start
from fflbench.suite import load_suite

HEADLINE = {"poisoning": ("accuracy", "accuracy {:.1f}%"), "reconstruction": ("psnr", "PSNR {:.1f} dB")}
STYLE: dict[Status, str] = {"ok": "green", "diverged": "yellow", "incompatible": "dim", "failed": "red"}


def run_command(
    source: str, results: Path | None, jobs: int | None, only: tuple[str, ...], seeds: tuple[int, ...],
    plugins: tuple[Path, ...], device: str, limit: float | None, retry_failed: bool,
) -> int:  # fmt: skip
    """Returns the exit code: 0, 1 when cells failed, 130 when interrupted."""
    console = Console(highlight=False, soft_wrap=True)
    suite = load_suite(source)
    folder = results or Path("results") / suite.name
    settings = Settings(jobs or os.cpu_count() or 1, check_device(device), only, seeds, plugins, limit, retry_failed)
    run = start(suite, folder, settings)
    console.print(f"{suite.name}: {len(run.planned)} cells, {settings.jobs} workers, results in {escape(str(folder))}")
    interrupted = False
    try:
        _watch(run, console)
    except KeyboardInterrupt:
        interrupted = True
    return _close(run, folder, console, interrupted)


def _watch(run: Run, console: Console) -> None:
    """A live display on a terminal, one line a finished cell elsewhere."""
    if not console.is_terminal:
        for news in run.go():
            if news and news.new:
                console.print(_line(run, news), markup=True)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as display:
        total = display.add_task("cells", total=len(run.planned))
        shown: dict[str, TaskID] = {}
        for news in run.go():
            if news and news.new:
                display.print(_line(run, news))
            display.update(total, completed=len(run.finished), description=f"cells{_failures(run)}")
            _show_running(run, display, shown)


def _show_running(run: Run, display: Progress, shown: dict[str, TaskID]) -> None:
    running = progress_of(run.store)
    names = {item.cell.digest: item.cell.specification.name for item in run.planned}
    for digest in set(shown) - set(running):
        display.remove_task(shown.pop(digest))
    for digest, (done, total) in running.items():
        if digest in names:
            if digest not in shown:
                shown[digest] = display.add_task(f"  {escape(names[digest])}")
            display.update(shown[digest], completed=done, total=total)


def _failures(run: Run) -> str:
    failed = sum(item.record.status == "failed" for item in run.finished)
    return f" [red]{failed} failed[/]" if failed else ""


def _line(run: Run, item: Finished) -> str:
    """One finished cell: count, status, seconds, name, its headline number or its error."""
    record, width = item.record, len(str(len(run.planned)))
    seconds = sum(record.seconds.values())
    count = f"\\[{len(run.finished):>{width}}/{len(run.planned)}]"
    status = f"[{STYLE[record.status]}]{record.status:<12}[/]"
    return f"{count} {status} {seconds:6.1f} s  {escape(record.specification.name)}  {escape(_headline(record))}"


def _headline(record: Record) -> str:
    name, form = HEADLINE[record.specification.track]
    value = record.metrics.get(name)
    return form.format(value) if value is not None else record.error


def _close(run: Run, folder: Path, console: Console, interrupted: bool) -> int:
    counts = Counter(item.record.status for item in run.finished)
    known = sum(not item.new for item in run.finished)
    listed = ", ".join(f"{counts[status]} {status}" for status in STYLE if counts[status]) or "nothing"
    seconds = time.monotonic() - run.started
    console.print(f"{len(run.finished)} of {len(run.planned)} cells in {seconds:.0f} s: {listed}; {known} were there before")
    if interrupted:
        console.print("Interrupted. Nothing that was finished is lost; the same command goes on from here.")
        return 130
    for item in run.finished:
        if item.record.status == "failed":
            log = run.store.log(item.record.digest)
            where = f" (traceback: {log})" if log.is_file() else ""
            console.print(f"[red]failed[/] {escape(item.record.specification.name)}: {escape(item.record.error)}{where}")
    if counts["failed"]:
        console.print("Run the failed cells again with --retry-failed.")
    console.print(f"Next: fflbench leaderboard {escape(str(folder))}")
    return 1 if counts["failed"] else 0
