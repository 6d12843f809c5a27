"""The threat model of a task as data: what takes part, what the server sees and knows."""

from __future__ import annotations

from fflbench.leaderboard.results import Task
from fflbench.leaderboard.wording import count, plain
from fflbench.records import TaskSpec

DECIDES = {"dirichlet": ("alpha", "alpha"), "classes": ("classes_per_peer", "classes at each peer:")}
"""What says how uneven a partition of that kind is."""


def setting(task: Task) -> dict[str, str]:
    """From what is assumed to how, in words; what a record does not state is left out."""
    spec = next(iter(task.records())).specification.task
    rows = _observed(spec) if task.track == "reconstruction" else _federated(spec)
    return {name: plain(text, 80) for name, text in rows.items()}


def _observed(task: TaskSpec) -> dict[str, str]:
    stated = task.settings
    rows: dict[str, str] = {}
    if isinstance(steps := stated.get("steps"), int):
        rows["update"] = "one gradient" if steps == 1 else count(steps, "local step")
    if isinstance(batch := stated.get("batch"), int) and isinstance(peers := stated.get("peers"), int):
        rows["batch"] = f"{count(batch, 'example')} at each of {count(peers, 'peer')}, size known"
    if isinstance(known := stated.get("labels_known"), bool):
        rows["labels"] = "known" if known else "not known"
    if isinstance(training := stated.get("training_mode"), bool):
        rows["batch statistics"] = "shown, where a network has batch norm" if training else "not shown"
    return rows


def _federated(task: TaskSpec) -> dict[str, str]:
    stated = task.settings
    rows: dict[str, str] = {}
    if isinstance(peers := stated.get("peers"), int) and isinstance(share := stated.get("participation"), int | float):
        rows["peers"] = f"{peers}, {share:.0%} of them in a round"
    if isinstance(rounds := stated.get("rounds"), int):
        scale = task.rounds_scale
        rows["rounds"] = str(rounds) if scale == 1 else f"{scale:g} of {rounds}"
    if isinstance(partition := stated.get("partition"), dict):
        kind = str(partition.get("kind", ""))
        extra = partition.get(DECIDES.get(kind, ("", ""))[0])
        rows["data"] = kind if extra is None else f"{kind}, {DECIDES[kind][1]} {extra}"
    if isinstance(tolerated := stated.get("tolerated"), int | float):
        rows["attackers tolerated"] = f"{tolerated:.0%}"
    if isinstance(root := stated.get("root_examples"), int):
        rows["the server's own examples"] = str(root) if root else "none"
    return rows
