"""The tables of the FFL paper beside ours: Gaussian noise and label flipping on four benchmarks."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fflbench.leaderboard.intervals import Interval, difference, t_interval
from fflbench.leaderboard.results import Task
from fflbench.leaderboard.wording import count, fixed, with_interval
from fflbench.records import TaskSpec

RUNS = Path(__file__).resolve().parent.parent / "docs" / "runs"
PUBLISHED = tomllib.loads((RUNS / "published.toml").read_text(encoding="utf-8"))
AUTHORS = tomllib.loads((RUNS / "authors-code.toml").read_text(encoding="utf-8"))
"""What the authors' published code gives here, by kind of table, benchmark, method and seed."""

BENCHMARKS = {"adult": "Adult, MLP", "mnist": "MNIST, CNN", "cifar10": "CIFAR-10, VGG16", "imdb": "IMDB, BiLSTM"}
TASKS = {("noise", "mnist"): "mnist of 100", ("flip", "mnist"): "mnist of 20"}
FLIPS = {"adult": ">50K to <=50K", "mnist": "7 to 1", "cifar10": "dog to cat", "imdb": "positive to negative"}
RULES = {"Median": "median", "Trimmed mean": "trimmed-mean", "FoolsGold": "foolsgold",
         "Multi-Krum": "multi-krum, as published"}  # fmt: skip
CLEAN = "FedAvg, no attack"
UNDER = {"noise": "Gaussian noise", "flip": "label flipping"}
METRICS = {"noise": ("test-loss", "accuracy"), "flip": ("test-loss", "source-accuracy", "attack-success")}
NAMES = {"test-loss": "test loss", "accuracy": "accuracy", "source-accuracy": "source accuracy",
         "attack-success": "attack success"}  # fmt: skip
TOLERANCE = {"accuracy": 1.0, "source-accuracy": 3.0, "attack-success": 3.0}
"""Percentage points within which a figure counts as reproduced."""

YES, AMONG, NO = "yes", "among our runs", "**no**"

AS_PUBLISHED = "-logit-0.5"
"""The ending of metrics that count an output as positive where the authors' code does."""


@dataclass(frozen=True)
class Figure:
    """One published number and ours: the mean over seeds, each of its `runs` from low to high, and seed by seed how far
    it is from FedAvg without an attack; `whole` unless rounds were left out. `authors` is what the authors' code gives."""

    metric: str
    published: float
    ours: Interval | None
    runs: tuple[float, ...]
    cost: Interval | None
    whole: bool
    authors: tuple[float, ...] = ()

    @property
    def gap(self) -> float | None:
        return None if self.ours is None else self.ours.mean - self.published

    @property
    def verdict(self) -> str:
        """Whether our mean is as near the published figure as is asked for, or else that figure among our single runs."""
        if self.metric not in TOLERANCE or self.ours is None or self.gap is None or not self.whole:
            return ""
        if abs(self.gap) <= TOLERANCE[self.metric]:
            return YES
        return AMONG if self.runs[0] <= self.published <= self.runs[-1] else NO


@dataclass(frozen=True)
class Line:
    """A row of a published table."""

    kind: str
    benchmark: str
    method: str
    figures: tuple[Figure, ...]
    seeds: int


def lines(tasks: Iterable[Task], kind: str, benchmark: str) -> list[Line]:
    """The rows of one benchmark in the table of that kind (`noise` or `flip`)."""
    task = task_of(tasks, kind, benchmark)
    return [_line(task, kind, benchmark, method) for method in PUBLISHED[kind][benchmark]]


def figures(tasks: Iterable[Task]) -> Iterator[tuple[Line, Figure]]:
    """All that is published, with its rows."""
    for kind in METRICS:
        for benchmark in PUBLISHED[kind]:
            for row in lines(tasks, kind, benchmark):
                yield from ((row, figure) for figure in row.figures)


def task_of(tasks: Iterable[Task], kind: str, benchmark: str) -> Task | None:
    """The task that stands for a benchmark in the table of that kind."""
    return fullest(tasks, TASKS.get((kind, benchmark), benchmark))


def fullest(tasks: Iterable[Task], label: str) -> Task | None:
    """The task of that label of which most of the rounds were run."""
    return max((task for task in tasks if spec_of(task).label == label), key=lambda t: spec_of(t).rounds_scale, default=None)


def spec_of(task: Task) -> TaskSpec:
    return next(iter(task.records())).specification.task


def _line(task: Task | None, kind: str, benchmark: str, method: str) -> Line:
    figures, seeds = [], 0
    for place, metric in enumerate(METRICS[kind]):
        published = PUBLISHED[kind][benchmark][method][place]
        values = series(task, *cell(kind, benchmark, method), metric) if task else {}
        clean = series(task, *cell(kind, benchmark, CLEAN), metric) if task else {}
        whole = task is not None and spec_of(task).rounds_scale == 1
        seeds = max(seeds, len(values))
        ours = mean_of(values)
        runs, cost = tuple(sorted(values.values())), difference(values, clean)
        figures.append(Figure(metric, published, ours, runs, cost, whole, of_authors(kind, benchmark, method, place)))
    return Line(kind, benchmark, method, tuple(figures), seeds)


def of_authors(kind: str, benchmark: str, method: str, place: int) -> tuple[float, ...]:
    """What the authors' code gives for the figure at that place of a row, seed by seed."""
    return tuple(values[place] for values in AUTHORS.get(kind, {}).get(benchmark, {}).get(method, {}).values())


def cell(kind: str, benchmark: str, method: str) -> tuple[str, str]:
    """The labels of the attack and the defense that a row of the paper's tables stands for."""
    attack = "noise" if kind == "noise" else f"{FLIPS[benchmark]},"
    if method == CLEAN:
        return ("none" if kind == "noise" else f"{attack} by nobody"), "fedavg"
    strategy = "S2" if method.endswith("S2") else "S1"
    return f"{attack} {strategy}", RULES.get(method, "ffl, as published" if method.startswith("FFL") else "fedavg")


def series(task: Task, attack: str, defense: str, metric: str) -> dict[int, float]:
    """A metric by seed, scored as the authors do where that was measured."""
    found = {}
    for seed, record in task.cell(attack, defense).items():
        theirs = record.metrics.get(metric + AS_PUBLISHED)
        value = record.metrics.get(metric) if theirs is None else theirs
        if value is not None:
            found[seed] = value
    return found


def table(rows: list[Line]) -> str:
    """The rows of one benchmark as Markdown."""
    metrics = METRICS[rows[0].kind]
    heads = ["method"]
    for metric in metrics:
        heads += [f"{NAMES[metric]}, published", "ours"]
        heads += ["apart", "ours against clean FedAvg", "reproduces"] if metric in TOLERANCE else []
    text = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in rows:
        parts = [row.method, *(part for figure in row.figures for part in _parts(figure, row.method))]
        text.append(f"| {' | '.join(parts)} |")
    return "\n".join(text)


def _parts(figure: Figure, method: str) -> list[str]:
    """What the table says of one figure."""
    places = 1 if figure.metric in TOLERANCE else 3
    parts = [f"{figure.published:g}", shown(figure.ours, places)]
    if figure.metric in TOLERANCE:
        paired = None if method == CLEAN else figure.cost
        parts += [
            "" if figure.gap is None else fixed(figure.gap, 1, signed=True),
            shown(paired, 1, signed=True),
            figure.verdict,
        ]
    return parts


def heading(rows: list[Line], task: Task | None) -> str:
    """What the table is of, with how much of it was run."""
    name = BENCHMARKS[rows[0].benchmark]
    if task is None or not any(row.seeds for row in rows):
        return f"### {name}\n\nNot run yet."
    seeds = sorted({row.seeds for row in rows if row.seeds})
    shown = count(seeds[0], "seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    scale = spec_of(task).rounds_scale
    part = "" if scale == 1 else f", **shortened to {scale:g} of the rounds, so not comparable**"
    return f"### {name}: {shown}{part}"


def tables(tasks: list[Task], kind: str) -> str:
    """All benchmarks of the table of that kind."""
    parts = []
    for benchmark in PUBLISHED[kind]:
        rows = lines(tasks, kind, benchmark)
        parts.append(heading(rows, task_of(tasks, kind, benchmark)))
        if any(row.seeds for row in rows):
            parts.append(table(rows))
    return "\n\n".join(parts)


def summary(tasks: list[Task]) -> str:
    """How many of the published percentages reproduce, FFL's own among them, and which do not."""
    found = [one for one in figures(tasks) if one[1].metric in TOLERANCE]
    judged = {verdict: [_sentence(*one) for one in found if one[1].verdict == verdict] for verdict in (YES, AMONG, NO)}
    whole = [(row, figure) for row, figure in found if figure.verdict]
    own = [figure for row, figure in whole if row.method.startswith("FFL")]
    text = (
        f"Of the paper's {len(found)} percentages {len(whole)} were measured in full. {len(judged[YES])} of these lie "
        "within the tolerance (1 point of accuracy, 3 of source accuracy and attack success); of the "
        f"{len(own)} that are FFL's own, {sum(figure.verdict == YES for figure in own)}. "
        f"{len(judged[AMONG])} more lie among our single runs (the paper has one):"
    )
    others = f"{len(judged[NO])} do not reproduce:"
    return "\n".join([text, "", *judged[AMONG], "", others, "", *judged[NO]])


def _sentence(row: Line, figure: Figure) -> str:
    published = f"{NAMES[figure.metric]} {figure.published:g} published"
    single = f"; single runs {figure.runs[0]:.1f} to {figure.runs[-1]:.1f}" if len(figure.runs) > 1 else ""
    found = ", ".join(fixed(value, 1) for value in figure.authors)
    theirs = f"; the authors' code, run here, {found}" if found else ""
    return (f"- {place_of(row.kind, row.benchmark)}, {row.method}: {published}, {shown(figure.ours, 1)} here "
            f"({_gap(figure)}{single}{theirs})")  # fmt: skip


def place_of(kind: str, benchmark: str) -> str:
    return f"{BENCHMARKS[benchmark]} under {UNDER[kind]}"


def _gap(figure: Figure) -> str:
    return "" if figure.gap is None else fixed(figure.gap, 1, signed=True)


def mean_of(values: dict[int, float]) -> Interval | None:
    """Over seeds, in their order."""
    return t_interval([values[seed] for seed in sorted(values)])


def shown(value: Interval | None, places: int, signed: bool = False) -> str:
    return "" if value is None else with_interval(value.mean, value.half_width, places, signed)
