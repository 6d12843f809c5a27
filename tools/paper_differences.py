"""Runs that explain where the paper's figures do not reproduce: how much noise it takes to break plain averaging."""

from __future__ import annotations

from paper_tables import series, spec_of

from fflbench.leaderboard.intervals import t_interval
from fflbench.leaderboard.results import Task
from fflbench.leaderboard.wording import with_interval


def strength(tasks: list[Task]) -> str:
    """Accuracy by strength of the noise: a row for each task and rule."""
    attacks = list(dict.fromkeys(attack for task in tasks for attack in task.attacks))
    text = [f"| task | rounds | rule | {' | '.join(attacks)} |", "|---" * (len(attacks) + 3) + "|"]
    for task in tasks:
        rounds = spec_of(task).settings["rounds"]
        for defense in task.defenses:
            cells = [_shown(task, attack, defense) for attack in attacks]
            if any(cells):
                text.append(f"| {task.label} | {rounds} | {defense} | {' | '.join(cells)} |")
    return "\n".join(text)


def _shown(task: Task, attack: str, defense: str) -> str:
    values = series(task, attack, defense, "accuracy")
    value = t_interval([values[seed] for seed in sorted(values)])
    return "" if value is None else with_interval(value.mean, value.half_width, 1)
