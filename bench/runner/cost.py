"""What a run will cost: an estimate from a few timed steps of each task, before any cell starts."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from fflbench import registry
from fflbench.clock import Clock
from fflbench.contracts import Examples
from fflbench.execution import Execution
from fflbench.federation.observation import observe
from fflbench.federation.setup import build_federation
from fflbench.federation.team import Work
from fflbench.keeper import Keeper
from fflbench.records import Specification
from fflbench.runner.cell import Cell
from fflbench.shortening import as_run, durations
from fflbench.wording import duration

BATCHES = 3
"""Timed training steps."""

EVALUATED = 500
"""Test examples that are timed."""

REPEATED = 10
"""Further steps of an inversion that are timed."""

SLOW = 1.0
"""Seconds for one step of an inversion beyond which it is not repeated."""


def costs(cells: Sequence[Cell], jobs: int) -> Iterator[str]:
    """A line for each task of the cells that are to run, `jobs` at once; fewer have the cores to themselves. Not timed are
    rules and attacks on updates, which cost extra, and plug-ins of others, whose code belongs into a worker."""
    tasks: dict[str, list[Cell]] = defaultdict(list)
    workers = max(1, min(jobs, len(cells)))
    for cell in cells:
        if _ours(cell.specification):
            tasks[cell.specification.task.title].append(cell)
    total = 0.0
    for title, mine in tasks.items():
        dearest = max(mine, key=lambda cell: _steps(as_run(cell.specification)))
        try:
            seconds = cell_seconds(dearest.specification, replace(dearest.execution, abreast=jobs // workers))
        except Exception:  # The cell itself will say what is wrong.
            continue
        total += seconds * len(mine)
        most = "up to " if mine[0].specification.track == "reconstruction" else "about "
        yield f"cost: {title}: {len(mine)} cells of {most}{duration(seconds)} each"
    if total:
        yield f"cost: in all about {duration(total / workers)} with {workers} at once, judging by a few timed steps"


def cell_seconds(spec: Specification, execution: Execution) -> float:
    """The seconds that a cell will take, judging by a few of its steps."""
    execution.prepare()
    spec = as_run(spec)
    return _training(spec, execution) if spec.track == "poisoning" else _inversion(spec, execution)


def _training(spec: Specification, execution: Execution) -> float:
    federation = build_federation(spec, execution)
    settings, trainer = federation.settings, federation.trainer
    size, used = trainer.sizes(round(sum(federation.weights.values()) / len(federation.weights)))
    examples = federation.honest_examples[max(federation.weights, key=lambda peer: federation.weights[peer])]
    batches = max(1, min(BATCHES, len(examples) // size))
    once, few = replace(trainer, epochs=1), _first(examples, batches * size)
    start, abreast = federation.global_vector, min(federation.team.abreast, settings.selected)
    work = [Work(once, few, federation.rng.at("cost"), start.clone()) for _ in range(abreast)]
    step = _seconds(lambda: federation.team.train(work, start), execution) / (batches * abreast)
    test = _first(federation.test, EVALUATED)
    few_tested = _seconds(lambda: federation.team.forward(start, test.inputs), execution)
    pass_ = few_tested * len(federation.test) / len(test)
    rounds = settings.rounds * settings.selected * settings.local_epochs * math.ceil(used / size) * step
    return rounds + (settings.rounds // settings.evaluate_every + 1) * pass_


def _inversion(spec: Specification, execution: Execution) -> float:
    """From one victim and two runs that are so short that what they share is all but their steps; where a step is slow, from
    one."""
    victims, steps = spec.task.settings["victims"], max(1, _steps(spec))
    task = spec.task.model_copy(update={"settings": spec.task.settings | {"victims": 1}})

    def run(count: int) -> float:
        parameters = spec.attack.parameters | dict.fromkeys(durations("attacks", spec.attack.name), count)
        attack, clock = spec.attack.model_copy(update={"parameters": parameters}), Clock(execution.device)
        short = spec.model_copy(update={"task": task, "attack": attack})
        observe(short, execution, clock, lambda done, total: None, Keeper())
        return clock.seconds["reconstruction"]

    first = run(1)
    if first > SLOW:
        return float(victims * steps * first)
    first, several = run(1), run(1 + REPEATED)
    return float(victims * (first + max(0.0, several - first) / REPEATED * (steps - 1)))


def _ours(spec: Specification) -> bool:
    """Whether all code that is timed comes with the package."""
    used = [("datasets", spec.task.dataset["name"]), ("models", spec.task.model["name"]), ("attacks", spec.attack.name)]
    used += [("defenses", part.name) for part in spec.defense.parts]
    return all(registry.find(kind, name).built_in for kind, name in used)


def _steps(spec: Specification) -> int:
    """The steps of an attack that takes steps."""
    found = [spec.attack.parameters.get(name) for name in durations("attacks", spec.attack.name)]
    return max((value for value in found if isinstance(value, int)), default=0)


def _first(examples: Examples, count: int) -> Examples:
    return Examples(examples.inputs[:count], examples.targets[:count])


def _seconds(work: Callable[[], object], execution: Execution) -> float:
    """The seconds of some work, done before so that it is warm."""
    work()
    clock = Clock(execution.device)
    with clock.phase("work"):
        work()
    return clock.seconds["work"]
