"""`fflbench info`: one plug-in in full."""

from __future__ import annotations

import inspect
from enum import Enum
from typing import Any

from rich.console import Console
from rich.table import Table

from fflbench import registry
from fflbench.contracts import (
    Aggregator,
    Attack,
    Pipeline,
    PoisoningAttack,
    PreAggregator,
    ReconstructionAttack,
    ServerStep,
    Stage,
    Tool,
)
from fflbench.parameters import describe


def info_command(name: str) -> None:
    found = [registry.plugins(kind)[name] for kind in registry.KINDS if name in registry.plugins(kind)]
    if not found:
        names = sorted({n for kind in registry.KINDS for n in registry.plugins(kind)})
        raise registry.unknown(name, names, "info", "`fflbench list` shows all")
    console = Console(highlight=False, soft_wrap=True)
    for plugin in found:
        _show(plugin, plugin.load(), console)


def _show(plugin: registry.Plugin, target: Any, console: Console) -> None:
    console.print(f"[bold]{plugin.name}[/] ({_role(plugin.kind, target)}, from {plugin.origin})")
    text = target.summary if isinstance(target, Pipeline) else inspect.getdoc(target)
    console.print(text or "", markup=False)
    for label, value in facts(target):
        console.print(f"{label}: {value}", markup=False)
    if missing := plugin.missing():
        console.print(f"unavailable: {missing}", style="yellow", markup=False)
    parts = _parts(target) if isinstance(target, Pipeline) else [(plugin.name, target)]
    table = Table("parameter", "type", "default", title_justify="left")
    for part, owner in parts:
        for name, kind, default in [] if plugin.kind == "metrics" else describe(owner):
            table.add_row(name if len(parts) == 1 else f"{name} ({part})", kind, default)
    if table.row_count:
        console.print(table)
    if plugin.source():
        console.print(f"source: {plugin.source()}", markup=False)


def _parts(pipeline: Pipeline) -> list[tuple[str, Any]]:
    return [(name, registry.load("defenses", name)) for name in pipeline.parts]


def _role(kind: str, target: Any) -> str:
    roles = {PoisoningAttack: "poisoning attack", ReconstructionAttack: "reconstruction attack", Stage: "stage of a defense",
             PreAggregator: "pre-aggregator", Aggregator: "aggregator", ServerStep: "server step"}  # fmt: skip
    if isinstance(target, Pipeline):
        return "defense: " + " + ".join(target.parts)
    for base, role in roles.items():
        if isinstance(target, type) and issubclass(target, base):
            return role
    return {"datasets": "data set"}.get(kind, kind.removesuffix("s"))


def facts(target: Any) -> list[tuple[str, str]]:
    """What the contract says of it, for people."""
    found = []
    for attribute, label in (("knowledge", "knows"), ("server", "server"), ("guesses", "guesses"), ("reveals", "reveals"),
                             ("needs", "needs to see"), ("assumes", "assumes"), ("cost", "costs"), ("better", "better"),
                             ("unit", "unit"), ("paper", "paper"), ("licence", "licence"),
                             ("source", "source")):  # fmt: skip
        value = getattr(target, attribute, None)
        if isinstance(value, Enum):
            found.append((label, value.name.lower() if isinstance(value.value, int) else str(value.value)))
        elif isinstance(value, str) and value:  # A parameter of that name may be anything else.
            found.append((label, value))
    if isinstance(target, type) and issubclass(target, Attack):
        found.append(("works on", " and ".join(target.data) + " data"))
    if isinstance(target, type) and issubclass(target, ReconstructionAttack):
        limit = target.most_examples
        found += [("examples in an update", f"at most {limit}")] if limit else []
        found += [("local steps", "one")] if target.one_gradient else []
        found += [("observed rounds", f"at least {target.least_rounds}")] if target.least_rounds > 1 else []
        mixing = target.reads_pairs or target.reads_masks
        found += [("defenses", "those whose peers exchange fragments")] if mixing else []
    if isinstance(tool := getattr(target, "tool", None), Tool):
        found.append(("runs", f"{tool.module}, which it does not bring: {tool.get}"))
    return found
