"""What each ingredient of FFL buys: the algorithm without it, or with it changed, under every attack of a run."""

from __future__ import annotations

from fflbench.leaderboard.board import Entry
from fflbench.leaderboard.entries import applies, cell_entry, compared
from fflbench.leaderboard.measures import measure
from fflbench.leaderboard.results import Task
from fflbench.leaderboard.wording import fixed, with_interval

WHOLE = "ffl, as published"


def ingredients(task: Task) -> str:
    """A row for each variant: what it scores, and seed by seed how far it is from the whole algorithm."""
    first = {"fedavg": 0, WHOLE: 1}
    rows = sorted(task.defenses, key=lambda name: (first.get(name, 2), name))
    heads = [f"{attack}: {measure(_metric(task, attack)).label}" for attack in task.attacks]
    text = [f"| variant | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for defense in rows:
        cells = [_shown(task, attack, defense) for attack in task.attacks]
        text.append(f"| {defense} | {' | '.join(cells)} |")
    return "\n".join(text)


def _metric(task: Task, attack: str) -> str:
    """What an attack is after: the source class, or everything."""
    return "source-accuracy" if applies(task, attack, "source-accuracy") else "accuracy"


def _shown(task: Task, attack: str, defense: str) -> str:
    about = measure(_metric(task, attack))
    entry = compared(cell_entry(task, attack, defense, about), cell_entry(task, attack, WHOLE, about))
    if entry.mean is None:
        return entry.status
    text = with_interval(entry.mean, entry.half_width, 1)
    return text if defense == WHOLE else f"{text} ({_gap(entry)})"


def _gap(entry: Entry) -> str:
    """The seed-paired difference; bold where its interval excludes zero."""
    gap = entry.difference
    if gap is None:
        return ""
    shown = fixed(gap.mean, 1, signed=True)
    sure = gap.low is not None and gap.high is not None and not gap.low <= 0 <= gap.high
    return f"**{shown}**" if sure else shown
