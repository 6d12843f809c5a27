"""The board as tables of text, laid out once for the terminal, Markdown and the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fflbench.leaderboard.board import Board, Entry, Row, TaskBoard
from fflbench.leaderboard.measures import Measure
from fflbench.leaderboard.wording import plain, with_interval

DASH = "\N{EN DASH}"
LEAKS = ("psnr", "ssim", "label-recovery", "token-recovery", "token-accuracy", "feature-recovery", "membership-auc")
SHOWN_APART = {"accuracy", "attack-success", "source-accuracy", "detection-auc", *LEAKS}


@dataclass(frozen=True)
class Column:
    """`better` decides which way a first click sorts."""

    heading: str
    title: str = ""
    better: str = "higher"
    group: str = ""


@dataclass(frozen=True)
class Cell:
    """`small` is the note shortened, `note` in full; `sort` is None where there is nothing to sort by; `detail` is the
    drill-down's anchor."""

    text: str
    small: str = ""
    note: str = ""
    sort: float | None = None
    status: str = "ok"
    title: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Line:
    """A row: a defense, or (`pinned`) a reference that stays at the bottom when sorting."""

    head: str
    cells: tuple[Cell, ...]
    note: str = ""
    pinned: bool = False
    marked: bool = False


@dataclass(frozen=True)
class Table:
    """`minor` tables are folded away on the page and left out of the terminal. `groups`: headings over several columns."""

    key: str
    caption: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    minor: bool = False
    groups: tuple[tuple[str, int], ...] = ()


def joint_table(board: Board) -> Table:
    """Accuracy x robustness x privacy x overhead."""
    measures = {name: measure for task in board.tasks for name, measure in task.measures.items()}
    keys = [key for key in board.joint[0].entries if key in measures]
    columns = [Column("Pareto", "not dominated on clean accuracy, worst-case accuracy and worst-case PSNR")]
    columns += [_column(measures[key]) for key in keys]
    lines = []
    for row in board.joint:
        mark = Cell("Pareto" if row.pareto else "", sort=float(row.pareto), status="mark")
        cells = [entry_cell(row.entries[key], measures[key]) for key in keys]
        lines.append(Line(row.defense, (mark, *cells), marked=row.pareto))
    return _table("joint-table", "All defenses: accuracy, robustness, privacy, overhead", columns, lines)


def task_tables(task: TaskBoard) -> list[Table]:
    """The tables of one task, headline first."""
    tables = [_summary(task)]
    if task.track == "poisoning":
        tables.append(_by_attack(task, "accuracy"))
        tables.append(_targeted(task))
        tables.append(_by_attack(task, "detection-auc"))
    else:
        tables.append(_reconstruction(task))
    others = [name for name in task.measures if name not in SHOWN_APART and _is_metric(task, name)]
    tables += [_by_attack(task, name, minor=True) for name in others]
    return [table for table in tables if _worth_showing(table)]


def _is_metric(task: TaskBoard, name: str) -> bool:
    return any(name in cells for row in task.rows for cells in row.attacks.values())


def _worth_showing(table: Table) -> bool:
    return any(cell.status not in ("not-applicable", "rank") for line in table.lines for cell in line.cells)


def _summary(task: TaskBoard) -> Table:
    keys = [key for key in task.rows[0].totals if any(r.totals[key].status != "not applicable" for r in task.rows)]
    columns = [_column(task.measures[key]) for key in keys]
    lines = [
        Line(row.defense, tuple(entry_cell(row.totals[key], task.measures[key]) for key in keys), row.note)
        for row in task.rows
    ]
    lines += _worst_references(task, keys)
    if any(row.rank for row in task.rows):
        columns.insert(0, Column("Rank", f"by {task.measures[task.ranked_by].label}; = marks ties", "lower"))
        ranks = [rank_cell(row) for row in task.rows]
        ranks += [Cell("", status="rank")] * (len(lines) - len(ranks))
        lines = [replace(line, cells=(rank, *line.cells)) for rank, line in zip(ranks, lines, strict=True)]
    title = "Poisoning" if task.track == "poisoning" else "Reconstruction"
    return _table(f"{task.key}-summary", f"{title} on {task.label}: over all attacks", columns, lines)


def _by_attack(task: TaskBoard, metric: str, minor: bool = False) -> Table:
    empty = Measure(name=metric, label=metric)
    measure = task.measures.get(metric, empty)
    attacks = [
        attack.label
        for attack in task.attacks
        if any(metric in r.attacks[attack.label] and r.attacks[attack.label][metric].status != "not applicable"
               for r in task.rows)
    ]  # fmt: skip
    columns = [Column(label, _threat(task, label), measure.better or "higher") for label in attacks]
    lines = [
        Line(
            row.defense,
            tuple(entry_cell(row.attacks[label][metric], measure, anchor(task, label, row)) for label in attacks),
        )
        for row in task.rows
    ]
    direction = f"{measure.better} is better" if measure.better else "direction not known, not ranked"
    caption = f"{task.label}: {measure.heading} under each attack, {direction}"
    return _table(f"{task.key}-{metric}", caption, columns, lines, minor=minor)


def _targeted(task: TaskBoard) -> Table:
    pairs = [
        (attack.label, name)
        for attack in task.attacks
        if attack.targeted
        for name in ("attack-success", "source-accuracy")
        if name in task.measures
    ]
    caption = f"{task.label}: targeted attacks"
    return _grouped(task, "targeted", caption, pairs)


def _reconstruction(task: TaskBoard) -> Table:
    names = [name for name in LEAKS if name in task.measures]
    pairs = [(attack.label, name) for attack in task.attacks for name in names if _measured(task, attack.label, name)]
    caption = f"{task.label}: what the server reconstructs under each attack, lower is better for the defense"
    return _grouped(task, "attacks", caption, pairs)


def _measured(task: TaskBoard, attack: str, metric: str) -> bool:
    """Whether the metric applies to the attack: a defense has a value, or would if nothing had gone wrong."""
    cells = [row.attacks[attack][metric] for row in task.rows]
    return any(cell.status not in ("not applicable", "incompatible") for cell in cells)


def _grouped(task: TaskBoard, key: str, caption: str, pairs: Sequence[tuple[str, str]]) -> Table:
    """Columns of several metrics, grouped by attack."""
    columns = [_column(task.measures[name], group=attack) for attack, name in pairs]
    lines = []
    for row in task.rows:
        cells = [
            entry_cell(row.attacks[attack][name], task.measures[name], anchor(task, attack, row)) for attack, name in pairs
        ]
        lines.append(Line(row.defense, tuple(cells)))

    def score(kind: str) -> Callable[[tuple[str, str]], float | None]:
        return lambda pair: task.references.get(pair[0], {}).get(kind, {}).get(pair[1])

    for kind in _reference_kinds(task):
        cells = [reference_cell(score(kind)(pair), task.measures[pair[1]]) for pair in pairs]
        lines.append(Line(kind, tuple(cells), _reference_note(kind), pinned=True))
    return _table(f"{task.key}-{key}", caption, columns, lines)


def _worst_references(task: TaskBoard, keys: Sequence[str]) -> list[Line]:
    """What knowing nothing scores, under the attack where it scores most."""
    lines = []
    for kind in _reference_kinds(task):
        cells = []
        for key in keys:
            name = key.removeprefix("worst-").removesuffix("-malicious")
            found = [scores[kind][name] for scores in task.references.values() if name in scores.get(kind, {})]
            cells.append(reference_cell(max(found, default=None), task.measures[key]))
        lines.append(Line(kind, tuple(cells), _reference_note(kind), pinned=True))
    return lines


def _reference_note(kind: str) -> str:
    return "for scale" if kind == "true image" else "knowing nothing"


def _reference_kinds(task: TaskBoard) -> list[str]:
    return sorted({kind for scores in task.references.values() for kind in scores})


def entry_cell(entry: Entry, measure: Measure, detail: str = "") -> Cell:
    """An entry in words: its mean and interval, or why there is none."""
    if entry.mean is None:
        text = DASH if entry.status == "not applicable" else entry.status
        small = entry.note.removeprefix(f"{entry.status}: ") if entry.note != entry.status else ""
        status = entry.status.replace(" ", "-")
        return Cell(text, plain(small.split("; ")[0], 48), entry.note, None, status, entry.note or entry.status, detail)
    places = measure.decimals(entry.mean)
    text = with_interval(entry.mean, entry.half_width, places)
    title = f"{measure.label}: mean of {entry.seeds} of {entry.asked} seeds" + (f"; {entry.note}" if entry.note else "")
    gap = entry.difference
    if gap is not None:
        half = None if gap.high is None else gap.high - gap.mean
        title += f"; to the reference {with_interval(gap.mean, half, places, signed=True)}"
    return Cell(text, plain(entry.note.split("; ")[0], 48), entry.note, entry.mean, entry.status, title, detail)


def reference_cell(value: float | None, measure: Measure) -> Cell:
    if value is None:
        return Cell(DASH, status="not-applicable")
    return Cell(with_interval(value, None, measure.decimals(value)), sort=value, status="reference")


def rank_cell(row: Row) -> Cell:
    if row.rank is None:
        return Cell(DASH, status="rank")
    title = "shares this rank: the difference to the best of the group is not distinguishable" if row.tied else ""
    title = f"incomplete: {row.note}" if row.note else title
    return Cell(f"{row.rank}{'=' if row.tied else ''}", sort=row.rank, status="rank", title=title)


def anchor(task: TaskBoard, attack: str, row: Row) -> str:
    """The id of a cell's drill-down: free of labels, which may hold anything."""
    attacks = [line.label for line in task.attacks]
    defenses = sorted(other.defense for other in task.rows)
    return f"cell-{task.key}-{attacks.index(attack)}-{defenses.index(row.defense)}"


def _column(measure: Measure, group: str = "") -> Column:
    title = f"{measure.heading}, {measure.better} is better" if measure.better else measure.heading
    heading = measure.heading[:1].upper() + measure.heading[1:]
    return Column(heading, title, measure.better or "higher", group)


def _threat(task: TaskBoard, attack: str) -> str:
    return next((line.threat for line in task.attacks if line.label == attack), "")


def _table(key: str, caption: str, columns: Sequence[Column], lines: Sequence[Line], minor: bool = False) -> Table:
    groups: list[tuple[str, int]] = []
    for column in columns:
        if groups and groups[-1][0] == column.group and column.group:
            groups[-1] = (column.group, groups[-1][1] + 1)
        else:
            groups.append((column.group, 1))
    shown = tuple(groups) if any(name for name, _ in groups) else ()
    return Table(key, caption, tuple(columns), tuple(lines), minor=minor, groups=shown)
