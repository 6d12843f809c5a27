"""Runs that explain where the paper's figures do not reproduce: how much noise it takes to break plain averaging."""

from __future__ import annotations

from paper_tables import mean_of, series, shown, spec_of

from fflbench.leaderboard.results import Task


def strength(tasks: list[Task]) -> str:
    """Accuracy by strength of the noise: a row for each task and rule."""
    attacks = list(dict.fromkeys(attack for task in tasks for attack in task.attacks))
    text = [f"| task | rounds | rule | {' | '.join(attacks)} |", "|---" * (len(attacks) + 3) + "|"]
    for task in tasks:
        rounds = spec_of(task).settings["rounds"]
        for defense in task.defenses:
            cells = [shown(mean_of(series(task, attack, defense, "accuracy")), 1) for attack in attacks]
            if any(cells):
                text.append(f"| {task.label} | {rounds} | {defense} | {' | '.join(cells)} |")
    return "\n".join(text)
