"""The command line: `fflbench VERB`. Verbs import what they need, so that help and lists are quick."""

from __future__ import annotations

import io
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fflbench import submission_cli
from fflbench.cli_options import Only, Plugins, load_plugins
from fflbench.errors import UserError

if TYPE_CHECKING:
    from fflbench.execution import Execution

app = typer.Typer(
    name="fflbench",
    help="Does a federated-learning defense work? Attacks against defenses, from a suite file to a leaderboard.",
    epilog="Start with: fflbench run quickstart",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)
data_app = typer.Typer(help="Data sets: what is here, and fetching more.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data_app, name="data")
submission_cli.add_to(app)


class Kind(StrEnum):
    """What can be listed."""

    suites = "suites"
    attacks = "attacks"
    defenses = "defenses"
    models = "models"
    datasets = "datasets"
    metrics = "metrics"


SuiteName = Annotated[str, typer.Argument(metavar="SUITE", help="A built-in suite or a TOML file.")]
Seeds = Annotated[str, typer.Option("--seeds", help="Seeds in place of the suite's, such as 0 or 0,1,2.")]
Results = Annotated[Path | None, typer.Option("--results", help="Results folder. [default: results/SUITE]")]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda (every GPU), cuda:1, mps.")]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Threads of each worker. More may change last digits.")]


class Precision(StrEnum):
    """Of the networks' forward and backward passes."""

    float32 = "float32"
    tfloat32 = "tfloat32"
    bfloat16 = "bfloat16"


class Engine(StrEnum):
    """Of local training and evaluation."""

    auto = "auto"
    native = "native"
    torch = "torch"


Engines = Annotated[Engine, typer.Option("--engine", help="Of training and evaluation. auto: native where it can.")]
Lowered = Annotated[Precision, typer.Option("--precision", help="Of the networks' forward and backward passes.")]

Scale = Annotated[
    float, typer.Option("--rounds-scale", help="Share of the rounds and steps to run, such as 0.1; every table shows it.")
]


@app.command()
def run(
    suite: SuiteName,
    results: Results = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            help="Cells at once; a cell with cores to itself trains several peers at once. [default: cores]",
        ),
    ] = None,
    only: Only = None,
    seeds: Seeds = "",
    plugin: Plugins = None,
    device: Device = "cpu",
    threads: Threads = 1,
    precision: Lowered = Precision.float32,
    engine: Engines = Engine.auto,
    rounds_scale: Scale = 1.0,
    limit: Annotated[float, typer.Option(min=0, help="Minutes a cell may take; 0 for no limit.")] = 360,
    memory: Annotated[float, typer.Option(min=0, help="GB of memory a cell may take; 0 for no limit.")] = 0,
    checkpoint: Annotated[float, typer.Option(min=0.01, help="Minutes between two checkpoints of a cell.")] = 1,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Run on a Ray cluster: auto, local or HOST:PORT.")
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run failed cells again.")] = False,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first cell that fails.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the summary at the end.")] = False,
) -> None:
    """Run a suite; what already has a record is not run again.

    fflbench run quickstart

    fflbench run quickstart --only "fashion-mnist/label-flip/ffl" --seeds 0

    fflbench run my_suite.toml --plugin my_defense.py --results results/mine
    """
    _begin(suite, quiet, threads, here=ray is None)
    from fflbench.commands.run import run_command
    from fflbench.runner.local import Limits
    from fflbench.runner.options import Settings

    settings = Settings(
        jobs=jobs if ray else jobs or os.cpu_count() or 1,
        plugins=load_plugins(plugin),
        execution=_execution(device, threads, precision, engine, here=ray is None),
        only=tuple(only or ()),
        seeds=_seeds(seeds),
        limits=Limits(seconds=limit * 60 or None, memory=memory or None),
        retry_failed=retry_failed,
        fail_fast=fail_fast,
        checkpoint=checkpoint * 60,
        ray=ray,
    )
    raise typer.Exit(run_command(suite, results, settings, quiet, rounds_scale))


@app.command()
def plan(
    suite: SuiteName,
    results: Results = None,
    only: Only = None,
    seeds: Seeds = "",
    plugin: Plugins = None,
    device: Device = "cpu",
    threads: Threads = 1,
    precision: Lowered = Precision.float32,
    engine: Engines = Engine.auto,
    rounds_scale: Scale = 1.0,
) -> None:
    """Show what would run, what has a record, and what is incompatible and why.

    fflbench plan quickstart
    """
    from fflbench.commands.plan import plan_command

    load_plugins(plugin)
    execution = _execution(device, threads, precision, engine)
    plan_command(suite, results, tuple(only or ()), _seeds(seeds), execution, rounds_scale)


@app.command()
def status(results: Annotated[Path, typer.Argument(help="A results folder.")]) -> None:
    """Show how far the runs of a results folder are, from another terminal.

    fflbench status results/quickstart
    """
    from fflbench.commands.status import status_command

    raise typer.Exit(status_command(results))


@app.command(name="list")
def list_(
    kind: Annotated[Kind | None, typer.Argument(help="What to list; without it, everything.")] = None,
    plugin: Plugins = None,
) -> None:
    """List suites, attacks, defenses, models, datasets or metrics.

    fflbench list defenses
    """
    from fflbench.commands.list import list_command

    load_plugins(plugin)
    list_command([kind.value] if kind else [k.value for k in Kind])


@app.command()
def info(name: Annotated[str, typer.Argument(help="A registered name.")], plugin: Plugins = None) -> None:
    """Show a plug-in: what it does, its paper, what it knows or needs to see, its parameters.

    fflbench info ffl
    """
    from fflbench.commands.info import info_command

    load_plugins(plugin)
    info_command(name)


@app.command()
def compare(
    baseline: Annotated[Path, typer.Argument(metavar="BASELINE", help="A results folder, packed or not, or a board.")],
    results: Annotated[Path, typer.Argument(metavar="RESULTS", help="The results to judge.")],
    tolerance: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC=VALUE", help="How much worse is fine, in the metric's unit; inf: not judged; may be repeated."
        ),
    ] = None,
    only: Only = None,
    seeds: Annotated[str, typer.Option("--seeds", help="Only these seeds, such as 0 or 0,1,2.")] = "",
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="Cells that RESULTS lacks are no fault.")] = False,
    markdown: Annotated[Path | None, typer.Option(help="Write a comment for a pull request.")] = None,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write everything as JSON.")] = None,
    benchmarks_before: Annotated[Path | None, typer.Option(help="A file of pytest --benchmark-json.")] = None,
    benchmarks_after: Annotated[Path | None, typer.Option(help="The file to judge.")] = None,
    slower: Annotated[float, typer.Option(metavar="RATIO", help="Of medians: slower beyond it.")] = 1.2,
    plugin: Plugins = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the counts and the verdict.")] = False,
) -> None:
    """Compare results with a baseline; exit 1 when anything got worse, broke or is missing.

    fflbench compare baseline results/quickstart

    fflbench compare baseline results/quickstart --tolerance accuracy=2 --markdown comment.md --junit gate.xml
    """
    from fflbench.commands.compare import Benchmarks, Outputs, compare_command
    from fflbench.leaderboard.comparison import Options
    from fflbench.leaderboard.comparison.tolerances import parse_tolerances

    load_plugins(plugin)
    options = Options(parse_tolerances(tolerance or ()), tuple(only or ()), _seeds(seeds), allow_missing)
    benchmarks = Benchmarks(benchmarks_before, benchmarks_after, slower)
    raise typer.Exit(compare_command(baseline, results, options, Outputs(markdown, junit, json), benchmarks, quiet))


@app.command()
def pack(
    results: Annotated[Path, typer.Argument(help="A results folder.")],
    out: Annotated[Path, typer.Option("--out", help="The folder to write records.jsonl.xz into.")],
) -> None:
    """Put the records of a results folder, without pictures, into one small file that `fflbench leaderboard` reads.

    fflbench pack results/quickstart --out docs/runs/quickstart
    """
    from fflbench.commands.pack import pack_command

    pack_command(results, out)


@app.command()
def doctor() -> None:
    """Check this installation: versions, devices, data, plug-ins."""
    from fflbench.commands.doctor import doctor_command

    raise typer.Exit(doctor_command())


@data_app.command("list")
def data_list() -> None:
    """List the data sets with their source and licence, and whether they are on this machine."""
    from fflbench.commands.data import data_list_command

    data_list_command()


@data_app.command("fetch")
def data_fetch(
    name: Annotated[str, typer.Argument(help="mnist, fashion-mnist, cifar10, imdb or adult.")],
    folder: Annotated[Path | None, typer.Option("--folder", help="Where to. [default: $FFLBENCH_DATA or a cache]")] = None,
) -> None:
    """Fetch a data set and verify it; what is already there and whole is not fetched again.

    fflbench data fetch mnist
    """
    from fflbench.commands.data import data_fetch_command

    data_fetch_command(name, folder)


def main() -> None:
    """The program's entry: what the user got wrong is one line and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app()
    except UserError as error:
        typer.echo(f"fflbench: {error}", err=True)
        sys.exit(2)


def _begin(suite: str, quiet: bool, threads: int, here: bool) -> None:
    from fflbench.runner.nursery import start_early

    if not quiet:
        typer.echo(f"{suite}: loading and checking ...")
    if here:
        start_early(threads)


def _execution(device: str, threads: int, precision: Precision, engine: Engine, here: bool = True) -> Execution:
    from fflbench.execution import Execution, check_device, check_engine

    if not here and device not in ("cpu", "cuda"):
        raise UserError(f"--device: found {device!r}, needs cpu or cuda with --ray, which chooses the GPU")
    found = check_device(device) if here else device
    return check_engine(Execution(found, threads, precision.value, engine.value))


def _seeds(text: str) -> tuple[int, ...]:
    try:
        seeds = tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        seeds = (-1,)
    if any(seed < 0 for seed in seeds) or len(set(seeds)) != len(seeds) or (text and not seeds) or "_" in text:
        raise UserError(f"--seeds: found {text!r}, needs whole numbers from 0 up, each once, such as 0,1,2")
    return seeds
