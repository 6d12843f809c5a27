"""The rows of a task: each defense's entries under each attack, its totals over attacks, its rank."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fflbench.leaderboard.board import AttackLine, Row, TaskBoard
from fflbench.leaderboard.costs import MEGABYTES, SECONDS, megabytes_per_upload, seconds_per_round
from fflbench.leaderboard.entries import applies, cell_entry, compared, cost_entry, standing, total_entry
from fflbench.leaderboard.intervals import average
from fflbench.leaderboard.measures import Measure, derived, measure
from fflbench.leaderboard.ranking import ranks
from fflbench.leaderboard.results import Task
from fflbench.leaderboard.setting import setting
from fflbench.leaderboard.wording import count, plain

How = Callable[[list[float]], float]

LEAKS = {
    "psnr": "worst-case PSNR",
    "ssim": "worst-case SSIM",
    "best-psnr": "worst-case PSNR of the best image",
    "label-recovery": "highest label recovery",
    "token-recovery": "highest token recovery",
    "feature-recovery": "highest feature recovery",
    "membership-auc": "highest membership AUC",
}
RANKING = ("psnr", "token-recovery", "feature-recovery", "membership-auc")
MALICIOUS, MALICIOUS_SUFFIX = "malicious", "-malicious"


@dataclass(frozen=True)
class Total:
    """A score over some attacks of a task: worst, mean, or of the one that does nothing."""

    measure: Measure
    metric: Measure
    attacks: list[str]
    how: How


def task_board(task: Task, reference: str) -> TaskBoard:
    """All of one task; entries are compared with the reference defense's."""
    metrics = {name: measure(name) for name in task.metric_names()}
    totals = _poisoning_totals(task) if task.track == "poisoning" else _reconstruction_totals(task)
    rows = {defense: _row(task, defense, metrics, totals) for defense in task.defenses}
    compared_rows = [_compared(row, rows.get(reference)) for row in rows.values()]
    ranked_by = "worst-accuracy" if task.track == "poisoning" else _deciding(task)
    shown = {total.measure.name: total.measure for total in totals} | metrics
    if task.track == "poisoning":
        shown |= {SECONDS.name: SECONDS, MEGABYTES.name: MEGABYTES}
    return TaskBoard(
        key=task.key,
        track=task.track,
        label=task.label,
        setting=setting(task),
        seeds=list(task.seeds),
        attacks=[_attack_line(task, attack) for attack in task.attacks],
        measures=shown,
        ranked_by=ranked_by,
        references=_task_references(task),
        rows=_ranked(compared_rows, ranked_by, shown[ranked_by]),
    )


def _poisoning_totals(task: Task) -> list[Total]:
    accuracy, success = measure("accuracy"), measure("attack-success")
    source, detection = measure("source-accuracy"), measure("detection-auc")
    targeted = [attack for attack in task.threats if applies(task, attack, success.name)]
    hit = [attack for attack in task.threats if applies(task, attack, source.name)]
    detectable = [attack for attack in task.threats if applies(task, attack, detection.name)]
    clean = [task.clean] if task.clean else []
    return [
        Total(derived("clean-accuracy", "clean accuracy", accuracy), accuracy, clean, average),
        Total(derived("worst-accuracy", "worst-case accuracy", accuracy), accuracy, task.threats, min),
        Total(derived("mean-accuracy", "mean accuracy", accuracy), accuracy, task.threats, average),
        Total(derived("worst-attack-success", "highest attack success", success), success, targeted, max),
        Total(derived("worst-source-accuracy", "lowest source accuracy", source), source, hit, min),
        Total(derived("mean-detection-auc", "mean detection AUC", detection), detection, detectable, average),
    ]


def _reconstruction_totals(task: Task) -> list[Total]:
    """The worst over observers, apart for servers that follow the protocol and for those that do not: a defense is ranked by
    the first."""
    totals = []
    for server, suffix, words in ((False, "", ""), (True, MALICIOUS_SUFFIX, ", malicious server")):
        attacks = [attack for attack in task.threats if _malicious(task, attack) is server]
        for name, label in LEAKS.items():
            base, mine = measure(name), [attack for attack in attacks if applies(task, attack, name)]
            totals.append(Total(derived(f"worst-{name}{suffix}", label + words, base), base, mine, max))
    return totals


def _deciding(task: Task) -> str:
    """The total that ranks: PSNR for images, what stands for it elsewhere."""
    honest = [attack for attack in task.threats if not _malicious(task, attack)]
    found = (name for name in RANKING if any(applies(task, attack, name) for attack in honest))
    return f"worst-{next(found, 'psnr')}"


def _malicious(task: Task, attack: str) -> bool:
    cells = (record for defense in task.defenses for record in task.cell(attack, defense).values())
    return any(record.specification.attack.threat == MALICIOUS for record in cells)


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


def _ranked(rows: list[Row], by: str, ranking: Measure) -> list[Row]:
    """Best first; those with gaps after the complete ones, those that could not be attacked at all at the end."""
    measured = {row.defense: row.totals[by].values for row in rows if row.totals[by].mean is not None}
    gaps = [row.defense for row in rows if not row.complete]
    found = ranks(measured, gaps, ranking.better) if ranking.better else {}
    better = -1 if ranking.better == "higher" else 1

    def place(row: Row) -> tuple[bool, bool, float, str]:
        mean = row.totals[by].mean
        nothing = row.totals[by].status in ("incompatible", "not applicable")
        return nothing, not row.complete, better * mean if mean is not None else float("inf"), row.defense

    return [
        row.model_copy(update={"rank": found[row.defense].position, "tied": found[row.defense].tied})
        if row.defense in found
        else row
        for row in sorted(rows, key=place)
    ]


def _attack_line(task: Task, attack: str) -> AttackLine:
    threats = {
        plain(record.specification.attack.threat, 200)
        for defense in task.defenses
        for record in task.cell(attack, defense).values()
    }
    targeted = task.track == "poisoning" and applies(task, attack, "attack-success")
    return AttackLine(label=attack, threat="; ".join(sorted(threats - {""})), clean=attack == task.clean, targeted=targeted)


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
