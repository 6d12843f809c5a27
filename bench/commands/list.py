"""`fflbench list`: names and one line each."""

from __future__ import annotations

import tomllib

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fflbench import registry
from fflbench.errors import UserError


def list_command(kinds: list[str]) -> None:
    console = Console(highlight=False)
    for kind in kinds:
        table = Table(title=kind, title_justify="left", box=None, show_header=False, padding=(0, 2, 0, 0))
        for name, summary in _suites() if kind == "suites" else _plugins(kind):
            table.add_row(Text(name, style="bold"), summary)
        console.print(table)
    console.print("`fflbench info NAME` shows one in full.")


def _plugins(kind: str) -> list[tuple[str, Text]]:
    rows = []
    for name, plugin in registry.plugins(kind).items():
        try:
            missing = plugin.missing()
            unavailable = (f". Unavailable: {missing}", "yellow") if missing else ""
            rows.append((name, Text.assemble(plugin.summary(), unavailable)))
        except UserError as error:
            rows.append((name, Text(str(error), style="red")))
    return rows


def _suites() -> list[tuple[str, Text]]:
    from importlib import resources

    rows = []
    for path in sorted((resources.files("fflbench") / "suites").iterdir(), key=lambda p: p.name):
        if path.name.endswith(".toml"):
            description = tomllib.loads(path.read_text(encoding="utf-8")).get("description", "")
            rows.append((path.name.removesuffix(".toml"), Text(description)))
    return rows
