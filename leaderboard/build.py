"""From results to the board."""

from __future__ import annotations

from collections import Counter

from fflbench.execution import native_or_not
from fflbench.leaderboard.board import Board, Source, TaskBoard
from fflbench.leaderboard.joint import joint
from fflbench.leaderboard.measures import measure
from fflbench.leaderboard.results import Results
from fflbench.leaderboard.shared import joint_tasks, shared_tasks
from fflbench.leaderboard.standings import standings
from fflbench.leaderboard.tracks import task_board
from fflbench.leaderboard.wording import count, plain
from fflbench.records import Record


def build_board(results: Results, reference: str = "ffl") -> Board:
    """All tables of a results folder; differences are to the defense `reference`."""
    tasks = [task_board(task, reference) for task in results.tasks]
    records = results.records()
    rows, fronts = joint(tasks, reference)
    return Board(
        reference=reference,
        suites=sorted({plain(record.provenance.suite) for record in records} - {""}),
        records=len(records),
        measures={name: measure(name) for name in sorted({n for record in records for n in record.metrics})},
        joint=rows,
        fronts=fronts,
        standings=standings(tasks),
        tasks=tasks,
        sources=_sources(records),
        problems=[*results.problems, *_remarks(results, reference, records), *_apart(tasks)],
    )


def _remarks(results: Results, reference: str, records: list[Record]) -> list[str]:
    """What a reader should know although every record is readable."""
    lines = [
        f"{task.track} task {task.label!r}: no record of the reference defense {reference!r}, so no differences to it"
        for task in results.tasks
        if reference not in task.defenses
    ]
    lines += [
        f"{task.track} task {task.label!r}: one seed, so no intervals and no ranks"
        for task in results.tasks
        if len(task.seeds) == 1
    ]
    versions = {(record.provenance.version, record.provenance.commit) for record in records}
    if len(versions) > 1:
        lines.append(f"records of {len(versions)} versions of the code are compared with each other")
    ways = sorted({way_of_computing(record) for record in records})
    if len(ways) > 1:
        lines.append(f"records computed in {len(ways)} ways are compared with each other: {'; '.join(ways[:5])}")
    dirty = sum(record.provenance.dirty for record in records)
    if dirty:
        lines.append(f"{count(dirty, 'record')} made with uncommitted changes")
    return lines


def _apart(tasks: list[TaskBoard]) -> list[str]:
    """The tasks that do not count in the comparison over tasks."""
    shared, joint_ = ({task.key for task in some} for some in (shared_tasks(tasks), joint_tasks(tasks)))
    few = "less than half of the defenses ran on it, so it is shown by itself only"
    narrow = "has fewer threat models than others of its track, so it does not count in the joint view"
    return [
        f"{task.track} task {task.label!r}: {narrow if task.key in shared else few}"
        for task in tasks
        if task.key not in joint_
    ]


def way_of_computing(record: Record) -> str:
    """Kind of device, threads, precision, engine: what may change the last digits, or more."""
    source = record.provenance
    engine = ", native" if native_or_not(source.computed_by) else ""
    return f"{plain(source.device).partition(':')[0]}, {count(source.threads, 'thread')}, {plain(source.precision)}{engine}"


def _sources(records: list[Record]) -> list[Source]:
    found: Counter[tuple[str, str]] = Counter()
    for record in records:
        source = record.provenance
        commit = f"{source.commit or 'unknown'}{' (uncommitted changes)' if source.dirty else ''}"
        stated = {
            "suite": source.suite,
            "version": source.version,
            "commit": commit,
            "engine": source.engine,
            "data": source.data,
            "machine": source.machine,
            "device": source.device,
            "computed": way_of_computing(record),
            "Python": source.python,
            "day finished": source.finished[:10],
            **{f"library {name}": version for name, version in source.libraries.items()},
            **{f"plug-in {name}": digest for name, digest in source.plugins.items()},
        }
        found.update((plain(name, 60), plain(value, 120)) for name, value in stated.items() if value)
    order = list(dict.fromkeys(name for name, _ in found))
    ranked = sorted(found.items(), key=lambda item: (order.index(item[0][0]), -item[1], item[0]))
    return [Source(field=name, value=value, records=number) for (name, value), number in ranked]
