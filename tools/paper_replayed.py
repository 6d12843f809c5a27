"""Who attacked in the rounds that the FFL authors report, and what their draws make of our figures for label flipping."""

from __future__ import annotations

import sys
from statistics import fmean

from paper_drawn import attackers, by_attackers
from paper_tables import BENCHMARKS, CLEAN, PUBLISHED, RUNS, cell, fullest, mean_of, series, shown, spec_of, task_of

from fflbench.leaderboard.results import Task
from fflbench.leaderboard.wording import fixed

sys.path.append(str(RUNS))
from authors_replay import ATTACKERS, authors_rounds

METHODS = ("FedAvg", "Median", "Trimmed mean", "Multi-Krum")
"""Those that the number of attackers matters to."""
REPORTED = 10
"""So many models, the last ones, make up the one that is reported."""


def replayed(tasks: list[Task], again: list[Task]) -> str:
    """A row for each benchmark and rule: how many attackers the reported models had, theirs and ours; source accuracy as
    published and ours; ours moved by what the draws differ in, each round being taken for the mean of all rounds with as
    many attackers; and what was measured with their draws in the tasks `again`."""
    heads = ["benchmark", "rule", "attackers: theirs", "ours", "source accuracy: published", "ours",
             "ours, moved to their draws", "run with their draws"]  # fmt: skip
    text = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for benchmark in ATTACKERS:
        task = task_of(tasks, "flip", benchmark)
        if task is None:
            continue
        theirs = numbers(benchmark, spec_of(task).settings["rounds"])[-REPORTED:]
        for method in METHODS:
            row = f"{BENCHMARKS[benchmark]} | {method} | {sum(theirs)} | {_row(task, benchmark, method, theirs)}"
            text.append(f"| {row} | {_again(again, benchmark, method)} |")
    return "\n".join(text)


def numbers(benchmark: str, rounds: int) -> list[int]:
    """How many of each round's peers attack in the authors' run."""
    return [sum(peer in ATTACKERS[benchmark] for peer in peers) for peers in authors_rounds(benchmark, rounds)]


def _row(task: Task, benchmark: str, method: str, theirs: list[int]) -> str:
    records = task.cell(*cell("flip", benchmark, method))
    by_number = by_attackers(task.cell(*cell("flip", benchmark, CLEAN)).values()) | by_attackers(records.values())
    expected = {number: fmean(values) for number, values in by_number.items()}
    ours = [attackers(record.specification)[-REPORTED:] for record in records.values()]
    measured = mean_of(series(task, *cell("flip", benchmark, method), "source-accuracy")).mean
    moved = measured + fmean(expected[n] for n in theirs) - fmean(expected[n] for rounds in ours for n in rounds)
    drawn = sorted(sum(rounds) for rounds in ours)
    counted = f"{drawn[0]}" if drawn[0] == drawn[-1] else f"{drawn[0]} to {drawn[-1]}"
    published = PUBLISHED["flip"][benchmark][method][1]
    return f"{counted} | {published:g} | {fixed(measured, 1)} | {fixed(moved, 1)}"


def _again(tasks: list[Task], benchmark: str, method: str) -> str:
    attack, defense = cell("flip", benchmark, method)
    task = fullest(tasks, benchmark)
    return shown(mean_of(series(task, attack, f"{defense.split(',')[0]}-as-drawn", "source-accuracy")), 1) if task else ""
