"""What a round's draw of peers decides: how well a model does by how many of those who made it were attackers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from paper_tables import BENCHMARKS, RULES, cell, task_of

from fflbench.composition import build_defense
from fflbench.contracts import Rng
from fflbench.federation.setup import drawn_coalition
from fflbench.leaderboard.results import Task
from fflbench.records import Record, Specification
from fflbench.settings import CoalitionSettings, FederationSettings

METHODS = ("FedAvg", *RULES)
"""Those that take any peer. FFL asks by reputation, so that it is not the draw that decides there."""


def drawn(tasks: Iterable[Task]) -> str:
    """Source accuracy under label flipping, of the models of the second half of the rounds: a row for each benchmark that
    was run in full and each rule, a column for each number of attackers."""
    tasks, found = list(tasks), {}
    for benchmark, name in BENCHMARKS.items():
        task = task_of(tasks, "flip", benchmark)
        for method in METHODS if task else ():
            records = task.cell(*cell("flip", benchmark, method)).values()
            if any(record.specification.task.rounds_scale == 1 for record in records):
                found[name, method] = by_attackers(records)
    most = max(number for groups in found.values() for number in groups)
    text = [f"| benchmark | rule | {' | '.join(_of(number) for number in range(most + 1))} |", "|---" * (most + 3) + "|"]
    for (name, method), groups in found.items():
        text.append(f"| {name} | {method} | {' | '.join(_shown(groups[number]) for number in range(most + 1))} |")
    return "\n".join(text)


def by_attackers(records: Iterable[Record]) -> dict[int, list[float]]:
    """The source accuracies of the later half of the models, by how many of the round's peers attacked."""
    groups = defaultdict(list)
    for record in records:
        curve, numbers = record.curves["source-accuracy"], attackers(record.specification)
        for number, value in list(zip(numbers, curve, strict=True))[len(curve) // 2 :]:
            if value is not None:
                groups[number].append(value)
    return groups


def attackers(spec: Specification) -> list[int]:
    """How many of each round's peers attack, drawn as a run draws them: every peer holds the source class here."""
    rng, settings = Rng(spec.seed), FederationSettings.model_validate(spec.task.settings, strict=False)
    peers, select = range(settings.peers), build_defense(spec.defense).aggregator.select
    coalition = drawn_coalition(CoalitionSettings.model_validate(spec.attack.coalition), len(peers), peers, rng)
    numbers = []
    for index in range(settings.rounds):
        taking_part = select(peers, settings.selected, index, rng.at("selection", round=index))
        numbers.append(len(coalition.acting(index, taking_part, rng.at("acting", round=index)).members))
    return numbers


def _of(number: int) -> str:
    return f"{number} attackers" if number != 1 else "1 attacker"


def _shown(values: list[float]) -> str:
    return f"{sum(values) / len(values):.1f} ({len(values)})" if values else ""
