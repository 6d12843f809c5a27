"""The tasks that defenses are compared on as a whole; others are shown by themselves only."""

from __future__ import annotations

from collections.abc import Sequence

from fflbench.leaderboard.board import TaskBoard


def shared_tasks(tasks: Sequence[TaskBoard]) -> list[TaskBoard]:
    """The tasks that at least half of their track's defenses ran on; any other would leave most of them unmeasured."""
    kept = []
    for task in tasks:
        of_track = {row.defense for other in tasks if other.track == task.track for row in other.rows}
        if 2 * len(task.rows) >= len(of_track):
            kept.append(task)
    return kept


def joint_tasks(tasks: Sequence[TaskBoard]) -> list[TaskBoard]:
    """The shared tasks; of the poisoning track those with most threat models, for a defense's accuracy without attackers and
    its accuracy under each threat must be of the same tasks."""
    shared = shared_tasks(tasks)
    most = max((len(task.threats) for task in shared if task.track == "poisoning"), default=0)
    return [task for task in shared if task.track != "poisoning" or len(task.threats) == most]
