"""Turns the name of a defense into its parts, and a set of parts into a working defense."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from fflbench import registry
from fflbench.contracts import Aggregator, DefensePart, Pipeline, PreAggregator, ServerStep, Stage, Visibility
from fflbench.errors import UserError
from fflbench.parameters import construct, schema, validate
from fflbench.records import DefenseSpec, Part

Kind = Literal["stage", "pre-aggregator", "aggregator", "server-step"]
_BASES: dict[Kind, type[DefensePart]] = {
    "stage": Stage,
    "pre-aggregator": PreAggregator,
    "aggregator": Aggregator,
    "server-step": ServerStep,
}
_ORDER = list(_BASES)


@dataclass(frozen=True)
class Defense:
    """A defense ready to run; it belongs to one cell, because its aggregator may keep state."""

    stages: tuple[Stage, ...]
    pre_aggregators: tuple[PreAggregator, ...]
    aggregator: Aggregator
    server_steps: tuple[ServerStep, ...] = ()

    @property
    def parts(self) -> tuple[DefensePart, ...]:
        return (*self.stages, *self.pre_aggregators, self.aggregator, *self.server_steps)

    @property
    def reveals(self) -> Visibility:
        """What of the peers' updates reaches the server after all stages."""
        return min((stage.reveals for stage in self.stages), default=Visibility.INDIVIDUAL)

    def blind_part(self) -> tuple[str, Visibility] | None:
        """The first server-side part that needs to see more than the stages reveal."""
        server: tuple[PreAggregator | Aggregator, ...] = (*self.pre_aggregators, self.aggregator)
        for part in server:
            if part.needs > self.reveals:
                return type(part).__name__, part.needs
        return None


def resolve_defense(entry: object, where: str) -> DefenseSpec:
    """From a suite's entry (a name, `"nnm+krum"`, or a table with `name` or `pipeline`, parameters and `label`) to all
    parts with all parameters. Raises `UserError` that names what is wrong."""
    table = dict(entry) if isinstance(entry, dict) else {"name": entry}
    label = table.pop("label", table.get("name"))
    if "pipeline" in table:
        if "name" in table and label is None:
            label = table["name"]
        table.pop("name", None)
        items = table.pop("pipeline")
        if not isinstance(items, list) or not items:
            raise UserError(f"{where}.pipeline: found {items!r}, needs a list of names")
    else:
        name = table.pop("name", None)
        if not isinstance(name, str):
            raise UserError(f"{where}: found {entry!r}, needs a name or a `pipeline` list")
        items = list(name.split("+"))
    if not isinstance(label, str) or not 0 < len(label) <= 60 or "/" in label or not label.isprintable():
        raise UserError(f"{where}.label: found {label!r}, needs 1 to 60 printable characters without /")
    chosen = [part for item in items for part in _expand(item, where)]
    _assign(chosen, table, where)
    parts = tuple(_part(name, values, where) for name, values in chosen)
    _check_order(parts, where)
    return DefenseSpec(label=label, parts=parts)


def build_defense(spec: DefenseSpec) -> Defense:
    """The objects of a resolved defense."""
    built = [construct(registry.load("defenses", part.name), part.parameters) for part in spec.parts]
    return Defense(
        tuple(p for p in built if isinstance(p, Stage)),
        tuple(p for p in built if isinstance(p, PreAggregator)),
        next(p for p in built if isinstance(p, Aggregator)),
        tuple(p for p in built if isinstance(p, ServerStep)),
    )


def _expand(item: object, where: str) -> list[tuple[str, dict[str, Any]]]:
    """An item of a pipeline as (part name, values); a named pipeline becomes its parts with its defaults."""
    table = dict(item) if isinstance(item, dict) else {"name": item}
    name = table.pop("name", None)
    if not isinstance(name, str):
        raise UserError(f"{where}: found {item!r}, needs a name or a table with a name")
    target = registry.load("defenses", name, where)
    if not isinstance(target, Pipeline):
        return [(name, table)]
    parts = [expanded for part in target.parts for expanded in _expand(part, where)]
    for values in (dict(target.defaults), table):
        _assign(parts, values, f"{where} ({name})")
    return parts


def _assign(parts: list[tuple[str, dict[str, Any]]], values: dict[str, Any], where: str) -> None:
    """Give each value to the one part that has a parameter of that name."""
    known = {name: set(schema(registry.load("defenses", name)).model_fields) for name, _ in parts}
    for key, value in values.items():
        owners = [(name, mine) for name, mine in parts if key in known[name]]
        if not owners:
            listed = ", ".join(sorted(set().union(*known.values()))) or "none"
            raise UserError(f"{where}.{key}: is not a parameter here; known: {listed}")
        if len(owners) > 1:
            names = ", ".join(name for name, _ in owners)
            raise UserError(f"{where}.{key}: {names} all have it; write pipeline = [{{name = ..., {key} = ...}}]")
        owners[0][1][key] = value


def _part(name: str, values: dict[str, Any], where: str) -> Part:
    target = registry.load("defenses", name, where)
    kind = next(kind for kind, base in _BASES.items() if issubclass(target, base))
    return Part(kind=kind, name=name, parameters=validate(target, values, f"{where} ({name})"))


def _check_order(parts: tuple[Part, ...], where: str) -> None:
    kinds = [part.kind for part in parts]
    if kinds.count("aggregator") != 1 or kinds != sorted(kinds, key=_ORDER.index):
        found = ", ".join(f"{part.name} ({part.kind})" for part in parts)
        raise UserError(
            f"{where}: found {found}; needs stages, then pre-aggregators, then exactly one aggregator, then server steps"
        )
