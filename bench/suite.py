"""A suite: which tasks, attacks, defenses and seeds; read from TOML, checked whole before anything runs."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from fflbench import registry
from fflbench.composition import resolve_defense
from fflbench.contracts import PoisoningAttack, ReconstructionAttack
from fflbench.errors import UserError
from fflbench.parameters import construct, explain, shortened, to_json, validate
from fflbench.patterns import selected
from fflbench.records import AttackSpec, DefenseSpec, Specification, TaskSpec, Track
from fflbench.settings import CoalitionSettings, FederationSettings, ObservationSettings, Resources

Label = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069/]{1,60}$")]
FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9 ._+()-]{0,59}$")]
Table = dict[str, Any]
_CLOSED = pydantic.ConfigDict(extra="forbid", strict=True, frozen=True)


class _TrackFile(pydantic.BaseModel):
    model_config = _CLOSED
    tasks: list[Table]
    attacks: list[Table | str]
    defenses: list[str] | None = None
    seeds: list[Annotated[int, Field(ge=0)]] | None = None


class _SuiteFile(pydantic.BaseModel):
    model_config = _CLOSED
    name: FolderName
    description: str = ""
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    defenses: Annotated[list[Table | str], Field(min_length=1)]
    poisoning: _TrackFile | None = None
    reconstruction: _TrackFile | None = None


@dataclass(frozen=True)
class TrackPlan:
    """One track of a suite: its tasks, attacks, the defenses they meet, and the seeds. `chosen` has, by task, the labels of
    the attacks that it is for, if not for all; `resources` what its cells take of a machine."""

    track: Track
    tasks: tuple[TaskSpec, ...]
    attacks: tuple[AttackSpec, ...]
    defenses: tuple[DefenseSpec, ...]
    seeds: tuple[int, ...]
    chosen: dict[str, tuple[str, ...]]
    resources: dict[str, Resources]

    def shortened(self, scale: float) -> TrackPlan:
        def task(spec: TaskSpec) -> TaskSpec:
            share = spec.rounds_scale * scale
            return spec if share == 1 else spec.model_copy(update={"settings": spec.settings | {"rounds_scale": share}})

        return replace(self, tasks=tuple(map(task, self.tasks)))

    def attacks_on(self, task: TaskSpec) -> list[AttackSpec]:
        labels = self.chosen.get(task.label)
        return [attack for attack in self.attacks if labels is None or attack.label in labels]


@dataclass(frozen=True)
class Suite:
    """A checked suite. `source` is how the user named it, so that commands can be repeated."""

    name: str
    description: str
    source: str
    tracks: tuple[TrackPlan, ...]

    def resources(self, task: TaskSpec) -> Resources:
        """What a cell of that task takes of a machine while it runs."""
        return next(plan.resources[task.label] for plan in self.tracks if task.label in plan.resources)

    def shortened(self, scale: float) -> Suite:
        """The suite with that share of its rounds and of its attacks' steps, which every record of it says."""
        if not 0 < scale <= 1:
            raise UserError(f"--rounds-scale: found {scale:g}, needs more than 0 and at most 1")
        return replace(self, tracks=tuple(plan.shortened(scale) for plan in self.tracks))

    def cells(self, only: tuple[str, ...] = (), seeds: tuple[int, ...] = ()) -> list[Specification]:
        """All cells, track by track and seed by seed; `only` keeps those whose `task/attack/defense` matches one of the
        patterns (shell wildcards; left-out parts match everything). Raises `UserError` when a pattern matches nothing."""
        every = [
            Specification(track=plan.track, task=task, attack=attack, defense=defense, seed=seed)
            for plan in self.tracks
            for seed in seeds or plan.seeds
            for task in plan.tasks
            for attack in plan.attacks_on(task)
            for defense in plan.defenses
        ]
        return selected(every, only)


def built_in_suites() -> dict[str, Path]:
    """The suites that come with the package, by name."""
    folder = Path(str(resources.files("fflbench"))) / "suites"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_suite(source: str) -> Suite:
    """Read a built-in suite by name or a TOML file by path. Raises `UserError` with the field that is wrong."""
    built_in = built_in_suites()
    path = built_in.get(source, Path(source))
    if not _is_file(path):
        near = difflib.get_close_matches(source, built_in, n=2, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"built in: {', '.join(built_in)}"
        raise UserError(f"suite: found {shortened(source)}, which is neither a file nor a built-in suite; {hint}")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: is not valid TOML: {error}") from None
    try:
        file = _SuiteFile.model_validate(table)
    except pydantic.ValidationError as error:
        raise UserError(explain(error, f"{path}: suite", _SuiteFile.model_fields)) from None
    return _resolve(file, str(path), source)


def _resolve(file: _SuiteFile, where: str, source: str) -> Suite:
    defenses = [resolve_defense(entry, f"{where}: defenses.{i}") for i, entry in enumerate(file.defenses)]
    _unique([d.label for d in defenses], f"{where}: defenses")
    _unique(file.seeds, f"{where}: seeds")
    by_label = {defense.label: defense for defense in defenses}
    tracks: list[TrackPlan] = []
    if file.poisoning:
        tracks.append(_track("poisoning", file.poisoning, by_label, file.seeds, where))
    if file.reconstruction:
        tracks.append(_track("reconstruction", file.reconstruction, by_label, file.seeds, where))
    if not tracks:
        raise UserError(f"{where}: has neither [poisoning] nor [reconstruction], needs at least one")
    _unique([t.label for plan in tracks for t in plan.tasks], f"{where}: tasks")
    return Suite(file.name, file.description, source, tuple(tracks))


def _track(track: Track, file: _TrackFile, defenses: dict[str, DefenseSpec], seeds: list[int], where: str) -> TrackPlan:
    place = f"{where}: {track}"
    chosen = list(defenses) if file.defenses is None else file.defenses
    for label in chosen:
        if label not in defenses:
            raise UserError(f"{place}.defenses: found {label!r}, needs one of {', '.join(defenses)}")
    if not file.tasks or not file.attacks or not chosen or file.seeds == []:
        raise UserError(f"{place}: needs at least one task, one attack, one defense and one seed")
    _unique(chosen, f"{place}.defenses")
    _unique(file.seeds or [], f"{place}.seeds")
    attacks = [resolve_attack(track, entry, f"{place}.attacks.{i}") for i, entry in enumerate(file.attacks)]
    _unique([a.label for a in attacks], f"{place}.attacks")
    entries = [dict(entry) for entry in file.tasks]
    picks = [_picked(entry.pop("attacks", None), attacks, f"{place}.tasks.{i}.attacks") for i, entry in enumerate(entries)]
    needs = [_resources(entry.pop("resources", {}), f"{place}.tasks.{i}.resources") for i, entry in enumerate(entries)]
    tasks = [resolve_task(track, entry, f"{place}.tasks.{i}") for i, entry in enumerate(entries)]
    resources = {task.label: need for task, need in zip(tasks, needs, strict=True)}
    picked = {task.label: pick for task, pick in zip(tasks, picks, strict=True) if pick is not None}
    return TrackPlan(track, tuple(tasks), tuple(attacks), tuple(defenses[label] for label in chosen),
                     tuple(file.seeds or seeds), picked, resources)  # fmt: skip


def _picked(labels: object, attacks: list[AttackSpec], where: str) -> tuple[str, ...] | None:
    """The labels of the attacks that a task is for; None for all."""
    known = [attack.label for attack in attacks]
    if labels is None:
        return None
    if not isinstance(labels, list) or not labels:
        raise UserError(f"{where}: found {labels!r}, needs a list of labels from {', '.join(known)}")
    for label in labels:
        if label not in known:
            raise UserError(f"{where}: found {label!r}, needs one of {', '.join(known)}")
    return tuple(labels)


def _resources(entry: object, where: str) -> Resources:
    try:
        return Resources.model_validate_json(to_json(entry, where))
    except pydantic.ValidationError as error:
        raise UserError(explain(error, where, Resources.model_fields)) from None


def resolve_task(track: Track, entry: Table, where: str) -> TaskSpec:
    """A task's table, without `attacks` and `resources`, with all that it leaves to defaults. Raises `UserError`."""
    entry = dict(entry)
    parts = {field: _named(entry.pop(field, None), f"{where}.{field}") for field in ("dataset", "model")}
    dataset, model = parts["dataset"], parts["model"]
    label = _label(entry.pop("label", f"{dataset['name']}-{model['name']}"), f"{where}.label")
    settings = FederationSettings if track == "poisoning" else ObservationSettings
    for kind, field in (("datasets", "dataset"), ("models", "model")):
        target = registry.load(kind, parts[field]["name"], f"{where}.{field}")
        parts[field]["parameters"] = validate(target, parts[field]["parameters"], f"{where}.{field}")
    try:
        checked = settings.model_validate_json(to_json(entry, where))
    except pydantic.ValidationError as error:
        raise UserError(explain(error, where, settings.model_fields)) from None
    return TaskSpec(label=label, dataset=dataset, model=model, settings=checked.model_dump(mode="json"))


def resolve_attack(track: Track, entry: Table | str, where: str) -> AttackSpec:
    """An attack's name or table with all that it leaves to defaults. Raises `UserError`."""
    entry = dict(entry) if isinstance(entry, dict) else {"name": entry}
    label = entry.pop("label", entry.get("name"))
    coalition = {k: entry.pop(k) for k in list(entry) if k in CoalitionSettings.model_fields}
    spec = _named(entry, where)
    target = registry.load("attacks", spec["name"], where)
    base = PoisoningAttack if track == "poisoning" else ReconstructionAttack
    if not issubclass(target, base):
        other: Literal["poisoning", "reconstruction"] = "poisoning" if track == "reconstruction" else "reconstruction"
        raise UserError(f"{where}: found {spec['name']!r}, which is a {other} attack; it belongs under [{other}]")
    values = validate(target, spec["parameters"], where)
    if track == "reconstruction":
        if coalition:
            raise UserError(f"{where}.{next(iter(coalition))}: is not a parameter of a reconstruction attack")
        return AttackSpec(label=_label(label, where), name=spec["name"], parameters=values, threat=target.server.value)
    coalition.setdefault("attackers", target.attackers)
    try:
        settings = CoalitionSettings.model_validate_json(to_json(coalition, where))
    except pydantic.ValidationError as error:
        raise UserError(explain(error, where, CoalitionSettings.model_fields)) from None
    threat = construct(target, values).knowledge.value
    return AttackSpec(label=_label(label, where), name=spec["name"], parameters=values,
                      coalition=settings.model_dump(mode="json"), threat=threat)  # fmt: skip


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _named(entry: object, where: str) -> dict[str, Any]:
    """`"name"` or `{name = "name", ...}` as name and parameters."""
    if isinstance(entry, str):
        return {"name": entry, "parameters": {}}
    if isinstance(entry, dict) and isinstance(entry.get("name"), str):
        return {"name": entry["name"], "parameters": {k: v for k, v in entry.items() if k != "name"}}
    raise UserError(f"{where}: found {entry!r}, needs a name, or a table with a name and parameters")


def _label(label: object, where: str) -> str:
    try:
        return pydantic.TypeAdapter(Label).validate_python(label)
    except pydantic.ValidationError:
        raise UserError(f"{where}: found the label {label!r}, needs 1 to 60 printable characters without /") from None


def _unique(values: Sequence[object], where: str) -> None:
    for value in values:
        if values.count(value) > 1:
            own = "; give each its own `label`" if isinstance(value, str) else ", needs each once"
            raise UserError(f"{where}: {value!r} is there {values.count(value)} times{own}")
