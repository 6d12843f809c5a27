"""`fflbench compare`: what changed from a baseline to new results, as a verdict with an exit code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from fflbench.errors import UserError
from fflbench.leaderboard.comparison import Comparison, Options, compare_folders
from fflbench.leaderboard.comparison.junit import comparison_junit
from fflbench.leaderboard.comparison.markdown import comparison_markdown
from fflbench.leaderboard.comparison.sentences import counts, headline, visible_lines
from fflbench.leaderboard.comparison.speed import compare_speed
from fflbench.leaderboard.comparison.terminal import comparison_tables
from fflbench.records import write_atomically


@dataclass(frozen=True)
class Outputs:
    """Files to write besides the tables on the terminal."""

    markdown: Path | None = None
    junit: Path | None = None
    json: Path | None = None


@dataclass(frozen=True)
class Benchmarks:
    """Two files of pytest-benchmark and the ratio of medians from which on one is slower."""

    before: Path | None
    after: Path | None
    slower: float


def compare_command(
    baseline: Path, results: Path, options: Options, outputs: Outputs, benchmarks: Benchmarks, quiet: bool
) -> int:
    """Returns the exit code: 0, or 1 when anything regressed, broke or got slower."""
    found = with_speed(compare_folders(baseline, results, options), benchmarks)
    _write(found, outputs)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 140
    for table in [] if quiet else comparison_tables(found):
        console.print(table)
    lines = [] if quiet else [*found.remarks, *visible_lines(found)]
    for line in [*lines, counts(found), headline(found)]:
        console.print(line, markup=False, soft_wrap=True)
    return 0 if found.passed else 1


def with_speed(found: Comparison, benchmarks: Benchmarks) -> Comparison:
    """The comparison with its benchmarks, if there are files of them."""
    if benchmarks.before is None and benchmarks.after is None:
        return found
    if benchmarks.before is None or benchmarks.after is None:
        given, wanted = ("after", "before") if benchmarks.before is None else ("before", "after")
        raise UserError(f"--benchmarks-{given}: found it alone, needs --benchmarks-{wanted} as well")
    speeds, remarks = compare_speed(benchmarks.before, benchmarks.after, benchmarks.slower)
    return found.model_copy(update={"speeds": tuple(speeds), "remarks": (*found.remarks, *remarks)})


def _write(found: Comparison, outputs: Outputs) -> None:
    whole = found.model_dump(mode="json") | {"passed": found.passed}
    contents = {
        outputs.markdown: comparison_markdown(found).encode(errors="replace"),
        outputs.junit: comparison_junit(found),
        outputs.json: f"{json.dumps(whole, indent=1, allow_nan=False)}\n".encode(),
    }
    for path, content in contents.items():
        if path is not None:
            try:
                write_atomically(path, content)
            except OSError as error:
                raise UserError(f"compare: {path}: cannot be written ({error.strerror})") from None
