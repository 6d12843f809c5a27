"""`fflbench data`: what is here, and fetching more."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fflbench import registry
from fflbench.data.fetch import fetch
from fflbench.data.storage import data_folder
from fflbench.errors import UserError
from fflbench.parameters import construct


def data_list_command() -> None:
    console = Console(highlight=False)
    table = Table("data set", "kind", "on this machine", "source", "licence")
    for name, plugin in registry.plugins("datasets").items():
        try:
            kind = plugin.load()
        except UserError as error:
            table.add_row(name, "", Text(str(error), style="red"), "", "")
            continue
        table.add_row(name, kind.kind, _presence(kind), kind.source, kind.licence)
    console.print(table)


def data_fetch_command(name: str, folder: Path | None) -> None:
    console = Console(highlight=False, soft_wrap=True)
    target = fetch(name, folder or data_folder(), lambda line: console.print(line, markup=False))
    console.print(f"{name}: ready in {target}", markup=False)


def _presence(kind: type) -> Text:
    try:
        data = construct(kind, {}).load()
    except (UserError, TypeError, ValueError):
        return Text("no", style="dim")
    return Text(f"{len(data.train)} + {len(data.test)}", style="green")
