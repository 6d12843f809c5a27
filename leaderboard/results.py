"""From a results folder to cells: the newest record of each specification, grouped by task, attack and defense."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from fflbench.errors import UserError
from fflbench.leaderboard.measures import LARGEST, Measure, measure
from fflbench.leaderboard.packed import NAME, read_packed
from fflbench.leaderboard.submissions.listing import ListedSubmission
from fflbench.leaderboard.wording import count, plain
from fflbench.meaning import meaning
from fflbench.records import AttackSpec, DefenseSpec, Record, RecordStore, TaskSpec, Track

CLEAN = "none"
"""The label of the attack that does nothing."""

TRACKS: tuple[Track, ...] = ("poisoning", "reconstruction")


@dataclass(frozen=True)
class Task:
    """All cells of one task: records by attack, defense and seed. `seeds` are all that any cell of the task has."""

    key: str
    track: Track
    label: str
    attacks: tuple[str, ...]
    defenses: tuple[str, ...]
    seeds: tuple[int, ...]
    cells: dict[tuple[str, str], dict[int, Record]]

    def cell(self, attack: str, defense: str) -> dict[int, Record]:
        """Records by seed; empty where nothing was run."""
        return self.cells.get((attack, defense), {})

    def records(self) -> Iterator[Record]:
        for cell in self.cells.values():
            yield from cell.values()

    def metric_names(self) -> list[str]:
        return sorted({name for record in self.records() for name in record.metrics})

    @property
    def clean(self) -> str | None:
        """The attack that does nothing, if the task has it."""
        return CLEAN if self.track == "poisoning" and CLEAN in self.attacks else None

    @property
    def threats(self) -> list[str]:
        """The attacks that do something."""
        return [attack for attack in self.attacks if attack != self.clean]


@dataclass(frozen=True)
class Results:
    """What a results folder or a board holds, and one line for each thing in it that did not count. `submissions`: where a
    board's records come from; `title`: the board's."""

    folder: Path
    tasks: tuple[Task, ...]
    measures: dict[str, Measure]
    problems: tuple[str, ...] = field(default=())
    submissions: tuple[ListedSubmission, ...] = ()
    title: str = ""

    def records(self) -> list[Record]:
        return [record for task in self.tasks for record in task.records()]


def load_results(folder: Path) -> Results:
    """Read a results folder, packed records included. Raises `UserError` when there is nothing in it to show."""
    return assemble(folder, *read_folder(folder))


def read_folder(folder: Path) -> tuple[list[Record], list[str]]:
    """All readable records of a results folder as they are, packed ones included, and a line for each thing that is not one.
    Raises `UserError` when it is no results folder."""
    packed = folder / NAME
    if not (folder / "records").is_dir() and not packed.is_file():
        found = "a folder without records/" if folder.is_dir() else "no such folder"
        raise UserError(f"leaderboard: {plain(str(folder), 200)}: found {found}, needs a folder that `fflbench run` or "
                        "`fflbench pack` wrote")  # fmt: skip
    read, lines = RecordStore(folder).read_all()
    if packed.is_file():
        more, others = read_packed(packed)
        read, lines = [*read, *more], [*lines, *others]
    return read, lines


def assemble(
    folder: Path,
    read: Iterable[Record],
    lines: Iterable[str],
    submissions: tuple[ListedSubmission, ...] = (),
    title: str = "",
) -> Results:
    """Records as results; `lines` say what could not be read, `folder` is where pictures are. Raises `UserError` when there
    is nothing to show."""
    read, problems = list(read), [plain(line, 400) for line in lines]
    measures = {name: measure(name) for name in sorted({name for record in read for name in record.metrics})}
    plausible = []
    endless = unbounded_losses(read)
    for record in read:
        record = capped(record, endless)
        wrong = implausible(record, measures)
        if wrong:
            problems.append(plain(f"{folder / 'records' / record.digest}.json: {wrong}; skipped", 400))
        else:
            plausible.append(record)
    if not plausible:
        why = f"none of its {count(len(problems), 'file')} is usable; the first: {problems[0]}" if problems else "is empty"
        raise UserError(f"leaderboard: {plain(str(folder / 'records'), 200)}: {why}")
    newest = newest_of_each(plausible)
    if len(newest) < len(plausible):
        older = count(len(plausible) - len(newest), "record")
        problems.append(f"{older} superseded by newer ones of the same specification")
    tasks, ambiguous = group(newest)
    return Results(folder, tuple(tasks), measures, (*problems, *ambiguous), submissions, title)


def unbounded_losses(records: Iterable[Record]) -> set[str]:
    """The metrics of these records of which less is better and that have no largest value."""
    names = {name for record in records for name in (*record.metrics, *record.curves)}
    return {about.name for about in map(measure, names) if about.better == "lower" and about.high is None}


def capped(record: Record, endless: set[str]) -> Record:
    """A model that falls apart loses without bound: such a loss counts as the largest number that is still shown."""
    metrics = {name: _capped(value) if name in endless else value for name, value in record.metrics.items()}
    curves = {name: [_capped(value) for value in curve] if name in endless else curve
              for name, curve in record.curves.items()}  # fmt: skip
    return record.model_copy(update={"metrics": metrics, "curves": curves})


def _capped(value: float | None) -> float | None:
    return None if value is None else min(value, LARGEST)


def implausible(record: Record, measures: dict[str, Measure]) -> str:
    """What no honest run could have written: a metric outside its range, an absurd number, a negative cost."""
    for name, value in record.metrics.items():
        if value is not None and not measures[name].allows(value):
            bounds = f"{measures[name].low} to {measures[name].high}"
            return f"metric {name} is {value:g}, outside its range ({bounds})"
    for name, curve in record.curves.items():
        about = measures[name] if name in measures else measure(name)
        known = [value for value in curve if value is not None]
        if known and not (about.allows(min(known)) and about.allows(max(known))):
            return f"curve {name} leaves its range ({about.low} to {about.high})"
    others = [value for scores in record.references.values() for value in scores.values()]
    if any(value is not None and abs(value) > LARGEST for value in others):
        return f"holds a number beyond {LARGEST:g}"
    costs = [*record.seconds.values(), *record.sent.values()]
    return "holds a negative or absurd cost" if any(not 0 <= value <= LARGEST for value in costs) else ""


def newest_of_each(records: Iterable[Record]) -> list[Record]:
    """The newest record of each specification: older ones come from older code."""
    by_specification: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_specification[meaning(record.specification)].append(record)
    return [max(same, key=lambda r: (_moment(r.provenance.finished), r.digest)) for same in by_specification.values()]


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def group(records: Iterable[Record]) -> tuple[list[Task], list[str]]:
    """Cells by task, and a line for each label that stands for several specifications (they are kept apart). A defense has
    one name in all tasks, or the views over tasks would join what only shares a label."""
    records = list(records)
    defenses, ambiguous = _names(records, lambda r: (r.specification.defense.label, r.specification.defense))
    tasks, notes = [], [f"defense {line}" for line in ambiguous]
    for track in TRACKS:
        of_track = [record for record in records if record.specification.track == track]
        names, ambiguous = _names(of_track, lambda r: (r.specification.task.title, r.specification.task))
        notes += [f"{track} task {line}" for line in ambiguous]
        for position, label in enumerate(sorted(set(names.values()))):
            members = [record for record in of_track if names[record.digest] == label]
            task, ambiguous = _task(f"{track[0]}{position}", track, label, members, defenses)
            tasks.append(task)
            notes += [f"{track} task {label!r}: {line}" for line in ambiguous]
    return tasks, notes


def _task(key: str, track: Track, label: str, records: list[Record], defenses: dict[str, str]) -> tuple[Task, list[str]]:
    attacks, ambiguous = _names(records, lambda r: (r.specification.attack.label, r.specification.attack))
    cells: dict[tuple[str, str], dict[int, Record]] = defaultdict(dict)
    for record in sorted(records, key=lambda r: r.specification.seed):
        cells[attacks[record.digest], defenses[record.digest]][record.specification.seed] = record
    task = Task(
        key=key,
        track=track,
        label=label,
        attacks=tuple(sorted(set(attacks.values()), key=lambda name: (name != CLEAN, name))),
        defenses=tuple(sorted({defenses[record.digest] for record in records})),
        seeds=tuple(sorted({record.specification.seed for record in records})),
        cells=dict(cells),
    )
    return task, [f"attack {line}" for line in ambiguous]


def _names(
    records: list[Record], part: Callable[[Record], tuple[str, TaskSpec | AttackSpec | DefenseSpec]]
) -> tuple[dict[str, str], list[str]]:
    """The name of a part in each record, by record digest. A label that stands for different things gets a suffix:
    averaging a defense over two of its settings would show a defense that nobody ran."""
    meanings: dict[str, set[str]] = defaultdict(set)
    found: dict[str, tuple[str, str]] = {}
    for record in records:
        label, spec = part(record)
        label, digest = plain(label) or "(no name)", meaning(spec)
        meanings[label].add(digest)
        found[record.digest] = (label, digest)
    names = {
        record: label if len(meanings[label]) == 1 else f"{label} #{digest[:6]}" for record, (label, digest) in found.items()
    }
    lines = [
        f"{label!r} stands for {len(several)} different specifications, shown apart"
        for label, several in sorted(meanings.items())
        if len(several) > 1
    ]
    return names, lines
