"""From a stranger's specification back to what a suite file would say, and from there to a specification that runs here."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

from fflbench import registry
from fflbench.composition import resolve_defense
from fflbench.errors import UserError
from fflbench.meaning import meaning
from fflbench.parameters import schema
from fflbench.records import Specification
from fflbench.suite import resolve_attack, resolve_task

PATHS = frozenset({"path", "paths", "file", "folder", "directory", "root"})
"""Parameters that name files. What a stranger names here is not opened."""


def respecify(spec: Specification, paths: bool = False) -> Specification:
    """What a suite with this task, attack and defense would make of them here. Raises `UserError` that says why the cell
    cannot be run here: a plug-in is missing or does not accept its parameters, a parameter names a file (unless `paths`),
    or this version would make another cell of it."""
    _check_parts(spec, paths)
    task, attack, defense = spec.task, spec.attack, spec.defense
    pipeline = [{**part.parameters, "name": part.name} for part in defense.parts]
    found = Specification(
        track=spec.track,
        task=resolve_task(spec.track, {**task.settings, "label": task.label, "dataset": _flat(task.dataset),
                                       "model": _flat(task.model)}, "task"),
        attack=resolve_attack(spec.track, {**attack.parameters, **attack.coalition, "name": attack.name,
                                           "label": attack.label}, "attack"),
        defense=resolve_defense({"pipeline": pipeline, "label": defense.label}, "defense"),
        seed=spec.seed,
    )  # fmt: skip
    if meaning(found) != meaning(spec):
        raise UserError(f"{_first_difference(spec, found)}: this version of fflbench makes another cell of it")
    return found


def _check_parts(spec: Specification, paths: bool) -> None:
    used = [("datasets", spec.task.dataset["name"], spec.task.dataset["parameters"]),
            ("models", spec.task.model["name"], spec.task.model["parameters"]),
            ("attacks", spec.attack.name, spec.attack.parameters)]  # fmt: skip
    used += [("defenses", part.name, part.parameters) for part in spec.defense.parts]
    known = {kind: registry.plugins(kind) for kind in ("datasets", "models", "attacks", "defenses")}
    for kind, name, parameters in used:
        if name not in known[kind]:
            raise UserError(f"needs the {kind} plug-in {name!r}, which is not installed here (--plugin)")
        named = [] if paths else sorted(_path_parameters(registry.load(kind, name)) & set(parameters))
        if named:
            raise UserError(f"{kind} {name!r}: {named[0]}: names a file of the submitter's, which is not opened "
                            "(--allow-paths)")  # fmt: skip


def _path_parameters(target: Any) -> set[str]:
    fields = {} if not callable(target) else schema(target).model_fields
    typed = {name for name, field in fields.items() if Path in (field.annotation, *typing.get_args(field.annotation))}
    return typed | (PATHS & set(fields))


def _flat(part: dict[str, Any]) -> dict[str, Any]:
    return {**part["parameters"], "name": part["name"]}


def _first_difference(spec: Specification, found: Specification) -> str:
    stated, here = spec.model_dump(mode="json"), found.model_dump(mode="json")
    return next((part for part in ("task", "attack", "defense") if stated[part] != here[part]), "specification")
