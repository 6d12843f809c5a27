"""What is behind each number: the cell's runs seed by seed, where they come from, and the command that repeats them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from fflbench.leaderboard.board import Entry, TaskBoard
from fflbench.leaderboard.costs import megabytes_per_upload, seconds_per_round
from fflbench.leaderboard.measures import measure
from fflbench.leaderboard.results import Task
from fflbench.leaderboard.table import DASH
from fflbench.leaderboard.task_tables import anchor
from fflbench.leaderboard.wording import decimals, fixed, plain, with_interval
from fflbench.records import Record

MOST_OUTPUT = 40
"""Lines of what a failed run printed."""

HARMLESS = re.compile(r"[\w ./,:+()-]*", re.ASCII)
"""What a shell leaves alone inside double quotes."""


@dataclass(frozen=True)
class Run:
    """One seed. `output` is what a failed run printed last; `command` is empty where labels cannot be typed."""

    seed: int
    status: str
    values: tuple[str, ...]
    error: str
    output: str
    costs: str
    source: str
    digest: str
    command: str


@dataclass(frozen=True)
class Detail:
    """One cell: a column for each metric that any seed has."""

    anchor: str
    attack: str
    defense: str
    status: str
    headline: str
    note: str
    headings: tuple[str, ...]
    means: tuple[str, ...]
    differences: tuple[str, ...]
    runs: tuple[Run, ...]
    classes: str


def details(task: Task, board: TaskBoard) -> list[Detail]:
    """All cells of a task, defense by defense as in its table."""
    return [
        _detail(task, attack, row.defense, row.attacks[attack], anchor(board, attack, row))
        for row in board.rows
        for attack in task.attacks
    ]


def _detail(task: Task, attack: str, defense: str, entries: dict[str, Entry], place: str) -> Detail:
    records = task.cell(attack, defense)
    metrics = [name for name, entry in entries.items() if entry.mean is not None]
    curves = sorted(
        {name for record in records.values() for name, curve in record.curves.items() if _last(curve) is not None}
    )
    main = "accuracy" if task.track == "poisoning" else "psnr"
    entry = entries.get(main) or next(iter(entries.values()), Entry(status="missing"))
    shown = _mean(entry, main) if entry.mean is not None else entry.status
    return Detail(
        anchor=place,
        attack=attack,
        defense=defense,
        status=entry.status.replace(" ", "-"),
        headline=f"{measure(main).label} {shown}" if entry.mean is not None else shown,
        note=entry.note,
        headings=(*(measure(name).heading for name in metrics), *(f"last {measure(n).label}" for n in curves)),
        means=(*(_mean(entries[name], name) for name in metrics), *(DASH for _ in curves)),
        differences=(*(_difference(entries[name], name) for name in metrics), *("" for _ in curves)),
        runs=tuple(_run(record, metrics, curves) for record in records.values()),
        classes=_classes(next(iter(records.values()), None)),
    )


def _mean(entry: Entry, name: str) -> str:
    about = measure(name)
    text = with_interval(entry.mean or 0.0, entry.half_width, about.decimals(entry.mean or 0.0))
    known = [f"{kind} {fixed(s, about.decimals(s))}" for kind, s in entry.references.items()]
    return f"{text} ({', '.join(known)})" if known else text


def _difference(entry: Entry, name: str) -> str:
    gap = entry.difference
    if gap is None:
        return ""
    half = None if gap.high is None else gap.high - gap.mean
    return with_interval(gap.mean, half, measure(name).decimals(entry.mean or gap.mean), signed=True)


def _run(record: Record, metrics: list[str], curves: list[str]) -> Run:
    values = [_value(record.metrics.get(name), name) for name in metrics]
    values += [_value(_last(record.curves.get(name, [])), name) for name in curves]
    return Run(
        seed=record.specification.seed,
        status=record.status,
        values=tuple(values),
        error=plain(record.error, 500),
        output="\n".join(plain(line, 200) for line in record.output.splitlines()[-MOST_OUTPUT:]),
        costs=_costs(record),
        source=_source(record),
        digest=record.digest,
        command=command(record),
    )


def command(record: Record) -> str:
    """What repeats the run, quoted for a shell: labels come from strangers and will be pasted."""
    spec = record.specification
    cell = f"{spec.task.label}/{spec.attack.label}/{spec.defense.label}"
    suite = record.provenance.suite
    if not suite or suite.startswith("-") or not f"{cell}{suite}".isprintable():
        return ""
    quoted = f'"{cell}"' if HARMLESS.fullmatch(cell) else shlex.quote(cell)
    shortened = f" --rounds-scale {spec.task.rounds_scale:g}" if spec.task.rounds_scale != 1 else ""
    return f"fflbench run {shlex.quote(suite)} --only {quoted} --seeds {spec.seed}{shortened}"


def _value(value: float | None, name: str) -> str:
    return DASH if value is None else fixed(value, measure(name).decimals(value))


def _last(curve: list[float | None]) -> float | None:
    return next((value for value in reversed(curve) if value is not None), None)


def _costs(record: Record) -> str:
    parts = [f"{plain(phase, 30)} {fixed(value, decimals(value))} s" for phase, value in record.seconds.items()]
    per_round, per_upload = seconds_per_round(record), megabytes_per_upload(record)
    if per_round is not None:
        parts.append(f"overhead {fixed(per_round, decimals(per_round))} s/round")
    if per_upload is not None:
        parts.append(f"sent {fixed(per_upload, decimals(per_upload))} MB per peer and round")
    return ", ".join(parts)


def _source(record: Record) -> str:
    source = record.provenance
    commit = f"commit {source.commit[:12]}" if source.commit else ""
    dirty = "uncommitted changes" if source.dirty else ""
    data = f"data {source.data[:12]}" if source.data else ""
    parts = (f"fflbench {source.version}", commit, dirty, source.device, source.machine, data, source.finished)
    return ", ".join(plain(part, 80) for part in parts if part)


def _classes(record: Record | None) -> str:
    if record is None or not record.classes:
        return ""
    shown = [f"{plain(name, 30)} {_value(value, 'accuracy')}" for name, value in list(record.classes.items())[:40]]
    return f"accuracy by class, seed {record.specification.seed}: {', '.join(shown)}"
