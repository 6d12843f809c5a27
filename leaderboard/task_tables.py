"""The tables of one task: scores over the attacks of each threat model, and every attack by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fflbench.leaderboard.board import AttackLine, Row, TaskBoard, ThreatLine
from fflbench.leaderboard.heat import heated
from fflbench.leaderboard.intervals import average
from fflbench.leaderboard.joint import CLEAN
from fflbench.leaderboard.measures import Measure
from fflbench.leaderboard.table import (
    Cell,
    Column,
    Line,
    Table,
    column_of,
    entry_cell,
    make_table,
    rank_cell,
    reference_cell,
)
from fflbench.leaderboard.wording import count

LEAKS = ("psnr", "ssim", "label-recovery", "token-recovery", "token-accuracy", "feature-recovery", "membership-auc")
FIRST = ("accuracy", "attack-success", "detection-auc", "psnr", "ssim")
SHOWN_APART = {"accuracy", "attack-success", "source-accuracy", "detection-auc", *LEAKS}


def task_tables(task: TaskBoard) -> list[Table]:
    """The tables of one task, headline first."""
    tables = summaries(task)
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


def summaries(task: TaskBoard) -> list[Table]:
    """A table for each threat model: scores over its attacks, best defense first. The first also says what defenses cost."""
    found = [_summary(task, threat, first=threat is task.threats[0]) for threat in task.threats]
    return found or [_clean(task)]


def _summary(task: TaskBoard, threat: ThreatLine, first: bool) -> Table:
    mine = [key for key in task.rows[0].totals if _under(key, threat, task, first)]
    keys = [key for key in mine if any(row.totals[key].status != "not applicable" for row in task.rows)]
    rows = [row for name in threat.order for row in task.rows if row.defense == name]
    columns, lines = [column_of(task.measures[key]) for key in keys], _totals(task, rows, keys)
    lines += _worst_references(task, keys, threat)
    if any(threat.name in row.ranks for row in rows):
        columns.insert(0, Column("Rank", f"by {task.measures[threat.ranked_by].label}; = marks ties", "lower"))
        ranks = [rank_cell(row.ranks.get(threat.name), row.note) for row in rows]
        ranks += [Cell("", status="rank")] * (len(lines) - len(ranks))
        lines = [replace(line, cells=(rank, *line.cells)) for rank, line in zip(ranks, lines, strict=True)]
    title = f"{task.track.capitalize()} on {task.label}: over {count(len(threat.attacks), 'attack')} by {threat.words}"
    return make_table(f"{task.key}-summary{threat.suffix}", title, columns, lines)


def _clean(task: TaskBoard) -> Table:
    keys = [key for key in task.rows[0].totals if any(row.totals[key].mean is not None for row in task.rows)]
    lines = _totals(task, task.rows, keys)
    columns = [column_of(task.measures[key]) for key in keys]
    return make_table(f"{task.key}-summary", f"{task.label}: without attackers", columns, lines)


def _totals(task: TaskBoard, rows: Sequence[Row], keys: Sequence[str]) -> list[Line]:
    return [
        Line(row.defense, tuple(entry_cell(row.totals[key], task.measures[key]) for key in keys), row.note) for row in rows
    ]


def _under(key: str, threat: ThreatLine, task: TaskBoard, first: bool) -> bool:
    """Whether a total belongs into the table of a threat: its own, the accuracy without attackers, and in the first what
    belongs to none."""
    return key == CLEAN or (task.threat_of_total(key) or (threat.name if first else "")) == threat.name


def by_metric(task: TaskBoard) -> list[tuple[Measure, Table]]:
    """Attack x defense for each metric that any cell has, the deciding ones first."""
    names = [name for name in task.measures if _is_metric(task, name)]
    order = [*(name for name in FIRST if name in names), *(name for name in names if name not in FIRST)]
    tables = [(task.measures[name], _by_attack(task, name)) for name in order]
    return [(measure, heated(table, measure)) for measure, table in tables if _worth_showing(table)]


def _by_attack(task: TaskBoard, metric: str, minor: bool = False) -> Table:
    measure = task.measures.get(metric, Measure(name=metric, label=metric))
    attacks = [line for line in _in_order(task) if _measured(task, line.label, metric)]
    several = len(task.threats) > 1
    columns = [
        Column(line.label, line.threat, measure.better or "higher", line.threat if several else "", line.label)
        for line in attacks
    ]
    lines = [
        Line(row.defense, tuple(entry_cell(row.attacks[line.label][metric], measure, anchor(task, line.label, row))
                                for line in attacks))
        for row in task.rows
    ]  # fmt: skip
    lines += _references(task, [(line.label, metric) for line in attacks])
    direction = f"{measure.better} is better" if measure.better else "direction not known, not ranked"
    caption = f"{task.label}: {measure.heading} under each attack, {direction}"
    return make_table(f"{task.key}-{metric}", caption, columns, lines, minor=minor)


def _in_order(task: TaskBoard) -> list[AttackLine]:
    """The one that does nothing, then threat by threat."""
    order = ["", *(threat.name for threat in task.threats)]
    return sorted(task.attacks, key=lambda line: order.index(line.threat))


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
    cells = [row.attacks[attack][metric] for row in task.rows if metric in row.attacks[attack]]
    return any(cell.status not in ("not applicable", "incompatible") for cell in cells)


def _grouped(task: TaskBoard, key: str, caption: str, pairs: Sequence[tuple[str, str]]) -> Table:
    """Columns of several metrics, grouped by attack."""
    columns = [column_of(task.measures[name], group=attack) for attack, name in pairs]
    lines = [
        Line(row.defense, tuple(entry_cell(row.attacks[attack][name], task.measures[name]) for attack, name in pairs))
        for row in task.rows
    ]
    return make_table(f"{task.key}-{key}", caption, columns, [*lines, *_references(task, pairs)])


def _references(task: TaskBoard, pairs: Sequence[tuple[str, str]]) -> list[Line]:
    """What knowing nothing scores under each attack, by metric; a line for each way of knowing nothing."""
    lines = []
    for kind in _reference_kinds(task):
        known = [task.references.get(attack, {}).get(kind, {}).get(name) for attack, name in pairs]
        if any(score is not None for score in known):
            cells = [reference_cell(score, task.measures[name]) for score, (_, name) in zip(known, pairs, strict=True)]
            lines.append(Line(kind, tuple(cells), _reference_note(kind), pinned=True))
    return lines


def _worst_references(task: TaskBoard, keys: Sequence[str], threat: ThreatLine) -> list[Line]:
    """What knowing nothing scores, under the attack of the threat where it scores most."""
    lines = []
    known = {attack: scores for attack, scores in task.references.items() if attack in threat.attacks}
    for kind in _reference_kinds(task):
        cells = []
        for key in keys:
            name = key.removesuffix(threat.suffix).removeprefix("worst-").removeprefix("mean-")
            found = [scores[kind][name] for scores in known.values() if name in scores.get(kind, {})]
            score = (average(found) if key.startswith("mean-") else max(found)) if found else None
            cells.append(reference_cell(score, task.measures[key]))
        lines.append(Line(kind, tuple(cells), _reference_note(kind), pinned=True))
    return lines


def _reference_note(kind: str) -> str:
    return "for scale" if kind == "true image" else "knowing nothing"


def _reference_kinds(task: TaskBoard) -> list[str]:
    return sorted({kind for scores in task.references.values() for kind in scores})


def anchor(task: TaskBoard, attack: str, row: Row) -> str:
    """The id of a cell's drill-down: free of labels, which may hold anything."""
    attacks = [line.label for line in task.attacks]
    defenses = sorted(other.defense for other in task.rows)
    return f"cell-{task.key}-{attacks.index(attack)}-{defenses.index(row.defense)}"
