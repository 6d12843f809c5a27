"""`fflbench plan`: what would run."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fflbench.execution import Execution, all_of
from fflbench.records import RecordStore
from fflbench.runner.cost import costs
from fflbench.runner.plan import Planned, plan
from fflbench.runner.resources import at_once
from fflbench.runner.stale import stale_records
from fflbench.suite import load_suite


def plan_command(
    source: str,
    results: Path | None,
    only: tuple[str, ...],
    seeds: tuple[int, ...],
    execution: Execution,
    scale: float,
) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 120
    suite = load_suite(source).shortened(scale)
    store = RecordStore(results or Path("results") / suite.name)
    planned = plan(suite, only, seeds, execution)
    console.print(f"{suite.name}: {suite.description}", markup=False)
    groups: dict[tuple[str, str], list[Planned]] = defaultdict(list)
    for item in planned:
        spec = item.cell.specification
        groups[spec.track, spec.task.title].append(item)
    for (track, task), items in groups.items():
        console.print(_table(f"{track}: {task}", items, store))
    for line in _reasons(planned):
        console.print(f"incompatible: {line}", markup=False, soft_wrap=True)
    for why, count in stale_records(store, planned).items():
        console.print(f"{count} records here are of these cells but of {why}: not counted", markup=False)
    largest = max(planned, key=lambda item: item.needs.memory or 0.0)
    if largest.memory:
        console.print(f"memory of the largest cell ({largest.cell.specification.name}): {largest.memory}", markup=False,
                      soft_wrap=True)  # fmt: skip
    open_ = [item for item in planned if not store.path(item.cell.digest).is_file()]
    todo = [item for item in open_ if item.reason is None]
    if todo:
        workers = at_once(os.cpu_count() or 1, (item.needs for item in todo), all_of(execution.device))
        for line in costs([item.cell for item in todo], workers):
            console.print(line, markup=False, soft_wrap=True)
    console.print(f"{len(planned)} cells: {len(planned) - len(open_)} have a record, {len(todo)} would run, "
                  f"{sum(item.reason is not None for item in planned)} are incompatible")  # fmt: skip


def _reasons(planned: Sequence[Planned]) -> list[str]:
    """Why cells cannot run, each reason once with all the defenses or attacks that it concerns."""
    pairs: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for item in planned:
        if item.reason:
            pairs[item.reason].add((item.cell.specification.attack.label, item.cell.specification.defense.label))
    specs = [item.cell.specification for item in planned]
    attacks, defenses = (list(dict.fromkeys(getattr(s, kind).label for s in specs)) for kind in ("attack", "defense"))
    lines = []
    for reason, found in pairs.items():
        attacking, against = ([name for name in names if name in {pair[k] for pair in found}]
                              for k, names in enumerate((attacks, defenses)))  # fmt: skip
        first = "every attack" if attacking == attacks else ", ".join(attacking)
        lines.append(f"{first} against {'every defense' if against == defenses else ', '.join(against)}: {reason}")
    return sorted(lines)


def _table(title: str, items: list[Planned], store: RecordStore) -> Table:
    """A line for each attack: how many of its cells have a record, and which defenses it does not fit."""
    table = Table("attack", "have a record", "would run", "incompatible with", title=escape(title), title_justify="left")
    by_attack: dict[str, list[Planned]] = defaultdict(list)
    for item in items:
        by_attack[item.cell.specification.attack.label].append(item)
    for attack, mine in by_attack.items():
        done = sum(store.path(item.cell.digest).is_file() for item in mine)
        unfit = [item for item in mine if item.reason]
        ready = sum(item.reason is None and not store.path(item.cell.digest).is_file() for item in mine)
        labels = dict.fromkeys(item.cell.specification.defense.label for item in unfit)
        table.add_row(escape(attack), f"{done} of {len(mine)}", str(ready), escape(", ".join(labels)))
    return table
