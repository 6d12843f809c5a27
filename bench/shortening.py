"""A suite in less time: one factor shortens the rounds of its tasks, and with them all that counts rounds or steps."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator
from typing import Any

from annotated_types import Ge
from pydantic.fields import FieldInfo

from fflbench import registry
from fflbench.duration import CountsRounds
from fflbench.parameters import schema
from fflbench.records import AttackSpec, DefenseSpec, Specification

_OF_TASKS = {"rounds": 1, "reported_models": 1}
_OF_COALITIONS = {"start": 1, "end": 1}


def as_run(spec: Specification) -> Specification:
    """What is computed for a specification: every number of rounds or steps times the task's `rounds_scale`, rounded, but
    not below what is allowed; 0 stays 0."""
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


def _shortened(values: dict[str, Any], least: dict[str, int], scale: float) -> dict[str, Any]:
    return {name: max(least[name], round(value * scale)) if value and name in least else value
            for name, value in values.items()}  # fmt: skip


def durations(kind: str, name: str) -> dict[str, int]:
    """The parameters of a plug-in that count rounds or steps, and the least that each may be shortened to."""
    found = {}
    for key, field in schema(registry.load(kind, name)).model_fields.items():
        said = list(_said(field.annotation, field.metadata))
        if any(isinstance(item, CountsRounds) for item in said):
            found[key] = max([1, *(int(str(item.ge)) for item in said if isinstance(item, Ge))])
    return found


def _said(annotation: object, metadata: Iterable[object]) -> Iterator[object]:
    """All that is said of a type, or of those that it is a choice of."""
    for item in metadata:
        yield from item.metadata if isinstance(item, FieldInfo) else (item,)
    inner = typing.get_args(annotation)
    for kind in inner:
        yield from _said(kind, inner if typing.get_origin(annotation) is typing.Annotated else ())
