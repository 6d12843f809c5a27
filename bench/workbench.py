"""What a defense author's own tests use: a score in one line, two results compared in another.

>>> bench = Workbench(Path("results/pytest"))
>>> bench.score("my_defense.py:SignedStep", task="fashion-mnist", attack="gaussian-noise", seeds=(0, 1)) > 70
True
"""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fflbench.errors import UserError

if TYPE_CHECKING:
    from fflbench.leaderboard.comparison import Comparison
    from fflbench.records import DefenseSpec, Record
    from fflbench.suite import Suite


@dataclass
class Workbench:
    """Runs cells into the folder `results`, where they are found again: the same code is not run twice.

    Paths of plug-ins, suites and results folders are relative to `root`. `jobs` cells run at once.
    """

    results: Path
    root: Path = field(default_factory=Path.cwd)
    jobs: int = field(default_factory=lambda: os.cpu_count() or 1)

    def score(
        self,
        defense: str | dict[str, Any] | type,
        *,
        task: str,
        attack: str,
        metric: str = "accuracy",
        suite: str = "quickstart",
        seeds: Sequence[int] = (),
        plugins: Iterable[str] = (),
    ) -> float:
        """The mean of a metric over `seeds` (default: the suite's), in the metric's unit.

        `defense`: a label of the suite; a name or a table as a suite has them; `file.py:Name`, where the name is that of
        the class or the registered one; or a plug-in class. `plugins`: other files that the suite needs. Raises `UserError`
        where a cell has no such value, and says why.
        """
        records = self.records(defense, task=task, attack=attack, suite=suite, seeds=seeds, plugins=plugins)
        return math.fsum(_value(record, metric) for record in records) / len(records)

    def records(
        self,
        defense: str | dict[str, Any] | type,
        *,
        task: str,
        attack: str,
        suite: str = "quickstart",
        seeds: Sequence[int] = (),
        plugins: Iterable[str] = (),
    ) -> list[Record]:
        """The cell's records, one a seed, in the order of the seeds."""
        self._load(plugins)
        entry, own = _located(defense, self.root)
        loaded = self._suite(suite)
        chosen = _narrowed(loaded, _resolved(loaded, entry, labelled=not own), task, attack)
        return self._run(chosen, (), tuple(seeds))

    def run(
        self, suite: str = "quickstart", *, only: Iterable[str] = (), seeds: Sequence[int] = (), plugins: Iterable[str] = ()
    ) -> Path:
        """Run a suite as `fflbench run` does. Returns a folder with the records of the code as it is now and no others, so
        that a comparison never sees what older code left behind."""
        from fflbench.runner.run import results_folder

        self._load(plugins)
        loaded = self._suite(suite)
        records = self._run(loaded, tuple(only), tuple(seeds))
        store = results_folder(self.results / "suites" / loaded.name)
        for old in (store.folder / "records").glob("*.json"):
            old.unlink()
        for record in records:
            store.write(record)
        return store.folder

    def compare(
        self,
        baseline: str | Path,
        results: str | Path,
        *,
        tolerances: dict[str, float] | None = None,
        only: Iterable[str] = (),
        seeds: Sequence[int] = (),
    ) -> Comparison:
        """As `fflbench compare`: `.passed`, `.regressions`, `.broken`, `.improvements`."""
        from fflbench.leaderboard.comparison import Options, compare_folders

        options = Options(tolerances or {}, tuple(only), tuple(seeds))
        return compare_folders(self.root / baseline, self.root / results, options)

    def _suite(self, source: str) -> Suite:
        from fflbench.suite import built_in_suites, load_suite

        return load_suite(source if source in built_in_suites() else str(self.root / source))

    def _load(self, plugins: Iterable[str]) -> None:
        from fflbench import registry

        for plugin in plugins:
            registry.load_file((self.root / plugin).resolve())

    def _run(self, suite: Suite, only: tuple[str, ...], seeds: tuple[int, ...]) -> list[Record]:
        from fflbench.runner.options import Settings
        from fflbench.runner.run import start

        settings = Settings(jobs=self.jobs, only=only, seeds=seeds, plugins=_loaded_files(), retry_failed=True)
        run = start(suite, self.results, settings)
        for _ in run.go():
            pass
        found = [run.store.read(item.cell.digest) for item in run.planned]
        return [record for record in found if record is not None]


def _value(record: Record, metric: str) -> float:
    where = record.specification.name
    if record.status != "ok":
        raise UserError(f"{where}: {record.status}: {record.error or 'no reason recorded'}")
    value = record.metrics.get(metric)
    if value is None:
        known = ", ".join(sorted(name for name, number in record.metrics.items() if number is not None))
        raise UserError(f"{where}: has no {metric!r}; needs one of {known}")
    return value


def _loaded_files() -> tuple[Path, ...]:
    """Every plug-in file that this process has loaded: workers need them as well."""
    from fflbench import registry

    loaded = [plugin for kind in registry.KINDS for plugin in registry.plugins(kind).values()]
    origins = dict.fromkeys(plugin.origin for plugin in loaded if not isinstance(plugin.target, str))
    return tuple(Path(origin) for origin in origins if Path(origin).is_file())


def _located(defense: str | dict[str, Any] | type, root: Path) -> tuple[str | dict[str, Any], bool]:
    """The defense with registered names in the place of `file.py:Name`, whose files are loaded; and whether it had any."""
    from fflbench import registry

    if isinstance(defense, type):
        file = Path(inspect.getfile(defense)).resolve()
        return _registered(defense.__name__, registry.load_file(file), file), True
    if isinstance(defense, dict):
        name, own = _located(str(defense.get("name", "")), root)
        return ({**defense, "name": name} if own else defense), own
    parts, own = [], False
    for part in defense.split("+"):
        path, colon, name = part.rpartition(":")
        if colon and path.endswith(".py"):
            file, own = (root / path).resolve(), True
            part = _registered(name, registry.load_file(file), file)
        parts.append(part)
    return "+".join(parts), own


def _registered(name: str, plugins: list[Any], file: Path) -> str:
    defenses = [plugin for plugin in plugins if plugin.kind == "defenses"]
    for plugin in defenses:
        if name in (plugin.name, getattr(plugin.target, "__name__", "")):
            return str(plugin.name)
    known = ", ".join(plugin.name for plugin in defenses) or "none"
    raise UserError(f"defense: found {name!r}, which {file.name} does not register; it has {known}")


def _resolved(suite: Suite, entry: str | dict[str, Any], labelled: bool) -> DefenseSpec:
    """The specification of a defense; if `labelled`, a name may be a label of the suite."""
    from fflbench.composition import resolve_defense

    labels = {defense.label: defense for plan in suite.tracks for defense in plan.defenses} if labelled else {}
    return labels[entry] if isinstance(entry, str) and entry in labels else resolve_defense(entry, "defense")


def _narrowed(suite: Suite, defense: DefenseSpec, task: str, attack: str) -> Suite:
    """The suite with that one task, attack and defense. Raises `UserError` when it has no such task or attack."""
    from fflbench.registry import unknown

    tasks = [one.label for plan in suite.tracks for one in plan.tasks]
    if task not in tasks:
        raise unknown(task, tasks, "task", f"{suite.name} has {', '.join(tasks)}")
    plan = next(plan for plan in suite.tracks if task in [one.label for one in plan.tasks])
    spec = next(one for one in plan.tasks if one.label == task)
    attacks = plan.attacks_on(spec)
    if attack not in [one.label for one in attacks]:
        labels = [one.label for one in attacks]
        raise unknown(attack, labels, "attack", f"the task has {', '.join(labels)}")
    chosen = tuple(one for one in attacks if one.label == attack)
    track = replace(plan, tasks=(spec,), attacks=chosen, defenses=(defense,), chosen={})
    return replace(suite, tracks=(track,))
