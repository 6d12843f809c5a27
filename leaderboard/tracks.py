"""The rows of a task: each defense's entries under each attack, its totals over attacks, its rank."""

from __future__ import annotations

from collections.abc import Iterable

from fflbench.leaderboard.board import AttackLine, Row, TaskBoard, ThreatLine
from fflbench.leaderboard.costs import MEGABYTES, SECONDS, megabytes_per_upload, seconds_per_round
from fflbench.leaderboard.entries import applies, cell_entry, compared, cost_entry, standing, total_entry
from fflbench.leaderboard.intervals import average
from fflbench.leaderboard.measures import Measure, measure
from fflbench.leaderboard.ranking import Better, Rank, ranks
from fflbench.leaderboard.results import Task
from fflbench.leaderboard.setting import setting
from fflbench.leaderboard.threats import Threat, threat_of, threats
from fflbench.leaderboard.totals import Total, deciding, totals_of
from fflbench.leaderboard.wording import count, plain


def task_board(task: Task, reference: str) -> TaskBoard:
    """All of one task; entries are compared with the reference defense's."""
    metrics = {name: measure(name) for name in task.metric_names()}
    totals = totals_of(task)
    rows = {defense: _row(task, defense, metrics, totals) for defense in task.defenses}
    compared_rows = [_compared(row, rows.get(reference)) for row in rows.values()]
    shown = {total.measure.name: total.measure for total in totals} | metrics
    if task.track == "poisoning":
        shown |= {SECONDS.name: SECONDS, MEGABYTES.name: MEGABYTES}
    lines, ranked = _ranked(task, compared_rows, shown, totals)
    return TaskBoard(
        key=task.key,
        track=task.track,
        label=task.label,
        setting=setting(task),
        seeds=list(task.seeds),
        attacks=[_attack_line(task, attack) for attack in task.attacks],
        threats=lines,
        measures=shown,
        references=_task_references(task),
        rows=ranked,
    )


def _row(task: Task, defense: str, metrics: dict[str, Measure], totals: Iterable[Total]) -> Row:
    entries = {total.measure.name: total_entry(task, total.attacks, defense, total.metric, total.how) for total in totals}
    if task.track == "poisoning":
        entries[SECONDS.name] = cost_entry(task, defense, seconds_per_round)
        entries[MEGABYTES.name] = cost_entry(task, defense, megabytes_per_upload)
    attacks = {}
    for attack in task.attacks:
        cells = {name: cell_entry(task, attack, defense, metric) for name, metric in metrics.items()}
        known = _references(task, attack, [defense])
        attacks[attack] = {
            name: entry.model_copy(update={"references": {kind: scores[name] for kind, scores in known.items()
                                                          if name in scores}})
            for name, entry in cells.items()
        }  # fmt: skip
    broken = [attack for attack in task.attacks if not standing(task, attack, defense).complete]
    note = f"{count(len(broken), 'attack')} of {len(task.attacks)} with missing or failed seeds" if broken else ""
    return Row(defense=defense, complete=not broken, note=note, totals=entries, attacks=attacks)


def _compared(row: Row, reference: Row | None) -> Row:
    if reference is None or reference.defense == row.defense:
        return row
    totals = {name: compared(entry, reference.totals[name]) for name, entry in row.totals.items()}
    attacks = {
        attack: {name: compared(entry, reference.attacks[attack][name]) for name, entry in cells.items()}
        for attack, cells in row.attacks.items()
    }
    return row.model_copy(update={"totals": totals, "attacks": attacks})


def _ranked(
    task: Task, rows: list[Row], measures: dict[str, Measure], totals: list[Total]
) -> tuple[list[ThreatLine], list[Row]]:
    """Every threat with its order of the defenses, and the rows with their ranks, in the order of the first threat."""
    lines, ranks_of = [], {row.defense: dict[str, Rank]() for row in rows}
    for threat in threats(task):
        by = deciding(task, threat)
        lines.append(ThreatLine(name=threat.name, words=threat.words, suffix=threat.suffix, attacks=list(threat.attacks),
                                ranked_by=by, totals=[total.measure.name for total in totals if total.threat == threat.name],
                                order=_order(task, threat, rows, by, measures[by].better)))  # fmt: skip
        for defense, rank in _ranks(task, threat, rows, by, measures[by].better).items():
            ranks_of[defense][threat.name] = rank
    by_name = {row.defense: row.model_copy(update={"ranks": ranks_of[row.defense]}) for row in rows}
    first = lines[0].order if lines else sorted(by_name)
    return lines, [by_name[name] for name in first]


def _ranks(task: Task, threat: Threat, rows: list[Row], by: str, better: Better | None) -> dict[str, Rank]:
    measured = {row.defense: row.totals[by].values for row in rows if row.totals[by].mean is not None}
    gaps = [row.defense for row in rows if not _whole(task, threat, row.defense)]
    return ranks(measured, gaps, better) if better else {}


def _order(task: Task, threat: Threat, rows: list[Row], by: str, better: Better | None) -> list[str]:
    """Best first; those with gaps after the complete ones, those that could not be attacked at all at the end."""
    sign = -1 if better == "higher" else 1

    def place(row: Row) -> tuple[bool, bool, float, str]:
        mean = row.totals[by].mean
        nothing = row.totals[by].status in ("incompatible", "not applicable")
        score = sign * mean if mean is not None else float("inf")
        return nothing, not _whole(task, threat, row.defense), score, row.defense

    return [row.defense for row in sorted(rows, key=place)]


def _whole(task: Task, threat: Threat, defense: str) -> bool:
    """Whether the defense ran under every attack of the threat, and without."""
    attacks = (*threat.attacks, task.clean) if task.clean else threat.attacks
    return all(standing(task, attack, defense).complete for attack in attacks)


def _attack_line(task: Task, attack: str) -> AttackLine:
    clean, targeted = attack == task.clean, task.track == "poisoning" and applies(task, attack, "attack-success")
    return AttackLine(label=attack, threat="" if clean else threat_of(task, attack), clean=clean, targeted=targeted)


def _task_references(task: Task) -> dict[str, dict[str, dict[str, float]]]:
    found = {attack: _references(task, attack, task.defenses) for attack in task.attacks}
    return {attack: known for attack, known in found.items() if known}


def _references(task: Task, attack: str, defenses: Iterable[str]) -> dict[str, dict[str, float]]:
    """What knowing nothing scores, by reference and metric: the mean over seeds and defenses."""
    found: dict[str, dict[str, list[float]]] = {}
    for defense in defenses:
        for record in task.cell(attack, defense).values():
            for kind, scores in record.references.items():
                for name, value in scores.items():
                    if value is not None:
                        found.setdefault(plain(kind, 40), {}).setdefault(name, []).append(value)
    return {kind: {name: average(all_) for name, all_ in scores.items()} for kind, scores in sorted(found.items())}
