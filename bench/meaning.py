"""What a specification means, whichever version wrote it: a parameter at its default says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fflbench import registry
from fflbench.errors import UserError
from fflbench.records import AttackSpec, DefenseSpec, Specification, TaskSpec, digest_of


def meaning(spec: Specification | TaskSpec | AttackSpec | DefenseSpec) -> str:
    """A digest that does not change when a plug-in gets a parameter whose default is what it did before."""
    return digest_of(_told(spec))


def _told(spec: Specification | TaskSpec | AttackSpec | DefenseSpec) -> dict[str, Any]:
    told = spec.model_dump(mode="json")
    if isinstance(spec, Specification):
        return told | {"task": _told(spec.task), "attack": _told(spec.attack), "defense": _told(spec.defense)}
    if isinstance(spec, DefenseSpec):
        return told | {"parts": [_named("defenses", part) for part in told["parts"]]}
    if isinstance(spec, AttackSpec):
        return told | _named("attacks", told)
    return told | {"dataset": _named("datasets", told["dataset"]), "model": _named("models", told["model"])}


def _named(kind: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """A plug-in's name and parameters without those that are at their defaults."""
    defaults, parameters = _defaults(kind, str(told.get("name", ""))), told.get("parameters", {})
    if not isinstance(parameters, dict):
        return dict(told)
    return {**told, "parameters": {key: value for key, value in parameters.items()
                                   if key not in defaults or not _same(value, defaults[key])}}  # fmt: skip


def _defaults(kind: str, name: str) -> dict[str, Any]:
    plugin = registry.known(kind, name)
    try:
        return plugin.defaults() if plugin else {}
    except UserError:
        return {}


def _same(value: object, default: object) -> bool:
    """Whether a value from JSON is the default: 1 is not True, and a list may have been a tuple."""
    if isinstance(default, tuple) and isinstance(value, list):
        value = tuple(value)
    return value == default and isinstance(value, bool) == isinstance(default, bool)
