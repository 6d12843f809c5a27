"""The command line of results that travel: `submit`, `verify`, and `leaderboard` with its boards."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fflbench.cli_options import Only, Plugins, load_plugins

Key = Annotated[Path | None, typer.Option("--key", help="An ed25519 private key (PEM or OpenSSH) to sign with.")]
Board = Annotated[Path, typer.Option("--board", help="The board's folder.")]
BoardArgument = Annotated[Path, typer.Argument(metavar="BOARD", help="The board's folder.")]
SHOW = "show"


class _LeaderboardGroup(TyperGroup):
    """`fflbench leaderboard RESULTS` is `fflbench leaderboard show RESULTS`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = [SHOW, *args]
        return super().parse_args(ctx, args)


leaderboard_app = typer.Typer(
    cls=_LeaderboardGroup,
    help="Turn records into tables and a page: fflbench leaderboard RESULTS. Also boards, which hold submissions.",
    epilog="A results folder called like one of the commands is reached as ./add.",
    no_args_is_help=True,
    rich_markup_mode=None,
    subcommand_metavar="RESULTS|COMMAND [ARGS]...",
)


@leaderboard_app.command(SHOW)
def show(
    results: Annotated[Path, typer.Argument(help="A results folder, or a board.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write. [default: the results folder, or BOARD/site]")
    ] = None,
    reference: Annotated[
        str | None, typer.Option(help="The defense that others are compared with. [default: ffl, or the first]")
    ] = None,
    plugin: Plugins = None,
) -> None:
    """Turn records into tables (Markdown, CSV, JSON) and a page; `show` may be left out.

    fflbench leaderboard results/quickstart
    """
    from fflbench.commands.leaderboard import leaderboard_command

    load_plugins(plugin)
    leaderboard_command(results, out, reference)


@leaderboard_app.command("new")
def new(
    board: Annotated[Path, typer.Argument(metavar="BOARD", help="The folder to start a board in.")],
    title: Annotated[str, typer.Option("--title", help="What it is called.")],
    reference: Annotated[str, typer.Option(help="The defense that others are compared with.")] = "ffl",
    baseline: Annotated[
        str, typer.Option(help="The name whose submissions set tasks, attacks and seeds for all others.")
    ] = "baseline",
) -> None:
    """Start a board: a folder for git with board.toml and submissions/.

    fflbench leaderboard new board --title "Who survives?"
    """
    from fflbench.commands.board import new_command

    new_command(board, title, reference, baseline)


@leaderboard_app.command("add")
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `fflbench submit` wrote.")],
    board: Board = Path(),
    report: Annotated[Path | None, typer.Option("--report", help="What `fflbench verify --out` wrote about it.")] = None,
    plugin: Plugins = None,
) -> None:
    """Check a submission and add it to a board, or a report to a submission that is there.

    fflbench leaderboard add mine.jsonl.xz --board board
    """
    from fflbench.commands.board import add_command

    load_plugins(plugin)
    add_command(file, board, report)


@leaderboard_app.command("check")
def check(
    board: BoardArgument,
    before: Annotated[
        Path | None, typer.Option("--before", help="The board before a change: what it holds must be unchanged.")
    ] = None,
    plugin: Plugins = None,
) -> None:
    """Check all that is on a board; exit code 2 and one line when anything is wrong.

    fflbench leaderboard check board
    """
    from fflbench.commands.board import check_command

    load_plugins(plugin)
    check_command(board, before)


def submit(
    results: Annotated[list[Path], typer.Argument(help="Results folders, packed or not.")],
    name: Annotated[str, typer.Option("--name", help="Your name on the board: letters, digits, spaces, . _ + ( ) -")],
    author: Annotated[list[str] | None, typer.Option("--author", help="An author; may be repeated.")] = None,
    paper: Annotated[str | None, typer.Option(metavar="URL", help="Where the paper is.")] = None,
    code: Annotated[str | None, typer.Option(metavar="URL", help="Where the code is.")] = None,
    contact: Annotated[str | None, typer.Option(help="How to reach you; it will be public.")] = None,
    only: Only = None,
    pictures: Annotated[
        list[str] | None,
        typer.Option("--pictures", help="With the reconstructed pictures of TASK/ATTACK/DEFENSE; may be repeated."),
    ] = None,
    key: Key = None,
    out: Annotated[Path | None, typer.Option("--out", help="The file to write. [default: NAME.jsonl.xz]")] = None,
    plugin: Plugins = None,
) -> None:
    """Put results into one file for a board.

    fflbench submit results/mine --name "My defense" --only "*/*/mine" --code https://example.org/mine
    """
    from fflbench.commands.submit import submit_command
    from fflbench.leaderboard.submissions.making import about_of

    load_plugins(plugin)
    about = about_of(name, author or [], paper, code, contact)
    submit_command(results, about, tuple(only or ()), tuple(pictures or ()), key, out)


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `fflbench submit` wrote.")],
    cells: Annotated[int, typer.Option(min=1, help="How many cells to run again.")] = 5,
    seed: Annotated[int | None, typer.Option(min=0, help="Which cells; drawn at random without it.")] = None,
    plugin: Plugins = None,
    results: Annotated[Path | None, typer.Option("--results", help="Keep records and logs of the runs there.")] = None,
    tolerance: Annotated[
        float, typer.Option(min=0, max=100, help="Times the usual tolerance; 0 asks for the same bits.")
    ] = 1,
    limit: Annotated[float, typer.Option(min=0, help="Minutes a cell may take; 0 for no limit.")] = 10,
    memory: Annotated[float, typer.Option(min=0, help="GB a cell may take; 0 for what is free here.")] = 0,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Cells at once. [default: cores]")] = None,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, mps.")] = "cpu",
    allow_paths: Annotated[bool, typer.Option("--allow-paths", help="Open files that the submission names.")] = False,
    key: Key = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write a report (JSON) for `leaderboard add --report`.")] = None,
) -> None:
    """Run some cells of a submission again and compare: exit code 1 when one differs, or none could be verified.

    fflbench verify mine.jsonl.xz --cells 5 --out report.json
    """
    from fflbench.commands.verify import verify_command
    from fflbench.execution import check_device
    from fflbench.verification.rerun import Conditions

    conditions = Conditions(
        device=check_device(device),
        jobs=jobs or os.cpu_count() or 1,
        seconds=limit * 60 or None,
        memory=memory or None,
        plugins=load_plugins(plugin),
        paths=allow_paths,
        tolerance=tolerance,
    )
    raise typer.Exit(verify_command(file, cells, seed, conditions, results, key, out))


def add_to(app: typer.Typer) -> None:
    """Give the program these commands."""
    app.add_typer(leaderboard_app, name="leaderboard")
    app.command()(submit)
    app.command()(verify)
