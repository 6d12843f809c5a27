"""A suite in less time: one factor shortens the rounds of its tasks, and with them all that counts rounds or steps."""

from __future__ import annotations

import typing
from typing import Any

from fflbench import registry
from fflbench.duration import CountsRounds
from fflbench.parameters import schema
from fflbench.records import AttackSpec, DefenseSpec, Specification

_OF_TASKS, _OF_COALITIONS = ("rounds", "reported_models"), ("start", "end")


def as_run(spec: Specification) -> Specification:
    """What is computed for a specification: every number of rounds or steps times the task's `rounds_scale`, rounded, and at
    least 1 unless it was 0."""
    scale = spec.task.rounds_scale
    if scale == 1:
        return spec
    settings = _shortened(spec.task.settings, _OF_TASKS, scale) | {"rounds_scale": 1.0}
    return spec.model_copy(update={
        "task": spec.task.model_copy(update={"settings": settings}),
        "attack": _attack(spec.attack, scale),
        "defense": _defense(spec.defense, scale),
    })  # fmt: skip


def _attack(attack: AttackSpec, scale: float) -> AttackSpec:
    return attack.model_copy(update={
        "parameters": _shortened(attack.parameters, durations("attacks", attack.name), scale),
        "coalition": _shortened(attack.coalition, _OF_COALITIONS, scale),
    })  # fmt: skip


def _defense(defense: DefenseSpec, scale: float) -> DefenseSpec:
    parts = tuple(
        part.model_copy(update={"parameters": _shortened(part.parameters, durations("defenses", part.name), scale)})
        for part in defense.parts
    )
    return defense.model_copy(update={"parts": parts})


def _shortened(values: dict[str, Any], names: typing.Collection[str], scale: float) -> dict[str, Any]:
    return {name: max(1, round(value * scale)) if name in names and value else value for name, value in values.items()}


def durations(kind: str, name: str) -> list[str]:
    """The parameters of a plug-in that count rounds or steps."""
    fields = schema(registry.load(kind, name)).model_fields
    return [key for key, field in fields.items() if _counts_rounds(field.annotation, field.metadata)]


def _counts_rounds(annotation: object, metadata: typing.Iterable[object]) -> bool:
    """Whether the mark is on a type, or on one of those that it is a choice of."""
    inner = typing.get_args(annotation)
    return any(isinstance(item, CountsRounds) for item in metadata) or any(_counts_rounds(kind, inner) for kind in inner)
