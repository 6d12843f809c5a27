"""`fflbench run`: runs a suite and shows how far it is."""

from __future__ import annotations

import signal
import time
from contextlib import closing
from itertools import islice
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from fflbench.records import Status
from fflbench.runner.options import Settings
from fflbench.runner.progress import progress_of
from fflbench.runner.run import Run, start
from fflbench.runner.settled import Finished
from fflbench.suite import load_suite
from fflbench.wording import duration

ROWS = 16
"""Running cells that are shown at once."""

HEADLINE = {"poisoning": ("accuracy", "accuracy {:.1f}%"), "reconstruction": ("psnr", "PSNR {:.1f} dB")}
STYLE: dict[Status, str] = {"ok": "green", "diverged": "yellow", "incompatible": "dim", "failed": "red"}


def run_command(source: str, results: Path | None, settings: Settings, quiet: bool, scale: float = 1.0) -> int:
    """Returns the exit code: 0, 1 when cells failed, 130 when interrupted."""
    console = Console(highlight=False, soft_wrap=True, quiet=quiet)
    suite = load_suite(source).shortened(scale)
    folder = results or Path("results") / suite.name
    run = start(suite, folder, settings)
    console.print(f"{suite.name}: {len(run.planned)} cells, {escape(_where(run))}, results in {escape(str(folder))}")
    signal.signal(signal.SIGTERM, _interrupt)
    interrupted = False
    try:
        _watch(run, console)
    except KeyboardInterrupt:
        interrupted = True
    loud = Console(highlight=False, soft_wrap=True)
    return _close(run, folder, loud, interrupted)


def _where(run: Run) -> str:
    if run.settings.ray:
        return f"Ray cluster {run.settings.ray}"
    return "1 worker" if run.at_once == 1 else f"{run.at_once} workers"


def _interrupt(number: int, frame: FrameType | None) -> None:
    """A scheduler that ends a job says so first: as Ctrl-C."""
    raise KeyboardInterrupt


def _watch(run: Run, console: Console) -> None:
    """A live display on a terminal, one line a finished cell elsewhere."""
    shown = Notices(run, console)
    with closing(run.go()) as cells:
        if not console.is_terminal or console.quiet:
            for news in cells:
                shown.print_new()
                if news and news.new:
                    console.print(_line(run, news), markup=True)
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console) as display:
            total = display.add_task("cells", total=len(run.planned))
            tasks: dict[str, TaskID] = {}
            for news in cells:
                shown.print_new()
                if news and news.new:
                    display.print(_line(run, news))
                display.update(total, completed=len(run.finished), description=f"cells{_pace(run)}")
                _show_running(run, display, tasks)


class Notices:
    """Prints each notice of a run once, as it comes up."""

    def __init__(self, run: Run, console: Console) -> None:
        self._run, self._console, self._printed = run, console, 0
        self.print_new()

    def print_new(self) -> None:
        for line in self._run.notices[self._printed :]:
            self._console.print(line, markup=False)
        self._printed = len(self._run.notices)


def _show_running(run: Run, display: Progress, shown: dict[str, TaskID]) -> None:
    names = dict(islice(run.running.items(), ROWS))
    running = progress_of(run.store, names)
    for digest in set(shown) - set(names):
        display.remove_task(shown.pop(digest))
    for digest, name in names.items():
        if digest in running:
            if digest not in shown:
                shown[digest] = display.add_task(f"  {escape(name)}", total=None)
            if running[digest].total:
                display.update(shown[digest], completed=running[digest].done, total=running[digest].total)


def _pace(run: Run) -> str:
    """Failures so far, cells a minute, time left."""
    left, minutes = run.seconds_left(), (time.monotonic() - run.started) / 60
    pace = f" {run.computed / minutes:.1f} a minute, about {duration(left)} left" if left is not None else ""
    return (f" [red]{run.counts['failed']} failed[/]" if run.counts["failed"] else "") + pace


def _line(run: Run, item: Finished) -> str:
    """One finished cell: count, status, seconds, name, its headline number or its error."""
    width = len(str(len(run.planned)))
    count = f"\\[{len(run.finished):>{width}}/{len(run.planned)}]"
    status = f"[{STYLE[item.status]}]{item.status:<12}[/]"
    name = escape(item.cell.specification.name)
    return f"{count} {status} {item.seconds:6.1f} s  {name}  {escape(_headline(item))}"


def _headline(item: Finished) -> str:
    name, form = HEADLINE[item.cell.specification.track]
    value = item.metrics.get(name)
    return form.format(value) if value is not None else item.error


def _close(run: Run, folder: Path, console: Console, interrupted: bool) -> int:
    counts = run.counts
    known = sum(not item.new for item in run.finished)
    listed = ", ".join(f"{counts[status]} {status}" for status in STYLE if counts[status]) or "nothing"
    seconds = time.monotonic() - run.started
    there = f"{known} were there before" if run.shared == 0 else f"{known} were there before or came from another run"
    console.print(f"{len(run.finished)} of {len(run.planned)} cells in {seconds:.0f} s: {listed}; {there}")
    if interrupted:
        console.print("Interrupted. Nothing that was finished is lost; the same command goes on from here.")
        return 130
    for item in run.finished:
        if item.status == "failed":
            log = run.store.log(item.cell.digest)
            where = f" (log: {log})" if log.is_file() else ""
            console.print(f"[red]failed[/] {escape(item.cell.specification.name)}: {escape(item.error)}{where}")
    if run.stopped_early:
        console.print("Stopped at the first failure (--fail-fast); the same command with --retry-failed goes on from here.")
    elif counts["failed"]:
        console.print("Run the failed cells again with --retry-failed.")
    console.print(f"Next: fflbench leaderboard {escape(str(folder))}")
    return 1 if counts["failed"] else 0
