"""Which test examples the peers of an observed round hold."""

from __future__ import annotations

from collections import defaultdict

from fflbench.errors import UserError
from fflbench.federation.task import Task
from fflbench.rng import Rng
from fflbench.settings import ObservationSettings


def dealt(task: Task, settings: ObservationSettings, order: list[int], rng: Rng) -> list[list[int]]:
    """Each peer's test examples, those that the task names or the next ones in the `order` drawn. Raises `UserError` when
    there are too few."""
    each, available = settings.holding, len(task.data.test)
    if settings.classes is not None:
        return _by_class(task, settings, order, rng)
    wanted = list(settings.images) or order[: settings.peers * each]
    needed = max(settings.peers * each, max(wanted) + 1)
    if needed > available:
        raise UserError(f"task {task.spec.label}: needs {needed} test examples, has {available}")
    return [wanted[peer * each : (peer + 1) * each] for peer in range(settings.peers)]


def _by_class(task: Task, settings: ObservationSettings, order: list[int], rng: Rng) -> list[list[int]]:
    """The same with so many classes a peer, about as often each, which share its examples evenly."""
    assert settings.classes is not None
    names, count, each = task.view.classes, settings.classes, settings.holding
    if count > min(len(names), each):
        raise UserError(f"task {task.spec.label}: classes: found {count}, needs at most {min(len(names), each)}: there are "
                        f"{len(names)}, and a peer holds {each} examples")  # fmt: skip
    left: dict[int, list[int]] = defaultdict(list)
    for index in order:
        left[int(task.data.test.targets[index])].append(index)
    used = [0] * len(names)
    generator, held = rng.at("classes-held").numpy(), list[list[int]]()
    for _ in range(settings.peers):
        drawn = generator.permutation(len(names)).tolist()
        mine = sorted(drawn, key=lambda kind: used[kind])[:count]
        held.append([])
        for place, kind in enumerate(mine):
            share = each // count + (place < each % count)
            if share > len(left[kind]):
                raise UserError(f"task {task.spec.label}: classes: has too few test examples of {names[kind]} for "
                                f"{settings.peers} peers with {each} each, of {count} classes")  # fmt: skip
            held[-1] += left[kind][:share]
            del left[kind][:share]
            used[kind] += 1
    return held
