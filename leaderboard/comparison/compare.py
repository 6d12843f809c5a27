"""Two results folders, one verdict."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from scipy.special import stdtrit

from fflbench.errors import UserError
from fflbench.leaderboard.build import way_of_computing
from fflbench.leaderboard.comparison.judge import LEVEL, Judged, judge, series_of
from fflbench.leaderboard.comparison.pairs import Pair, cells_of, find_problems, pair
from fflbench.leaderboard.comparison.tolerances import check_tolerances, default_tolerance
from fflbench.leaderboard.comparison.verdicts import Change, ComparedCell, Comparison, Outcome, Visible
from fflbench.leaderboard.measures import Measure
from fflbench.leaderboard.results import Results
from fflbench.leaderboard.submissions.folder import load_any
from fflbench.leaderboard.wording import count, plain
from fflbench.patterns import check_patterns, names_of
from fflbench.records import Record, Track


@dataclass(frozen=True)
class Options:
    """`tolerances` by metric, in its unit (others have a default by unit). `allow_missing`: cells that the results do not
    have are listed and no fault."""

    tolerances: dict[str, float] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    allow_missing: bool = False


def compare_folders(baseline: Path, results: Path, options: Options | None = None) -> Comparison:
    """Compare two results folders, folders of packed records or boards, cell by cell and seed by seed.

    Raises `UserError` when one of them holds nothing to compare or an option names nothing in them.

    >>> compare_folders(Path("baseline"), Path("results")).passed
    True
    """
    return compare_results(load_any(baseline), load_any(results), options)


def compare_results(baseline: Results, results: Results, options: Options | None = None) -> Comparison:
    """As `compare_folders`, of results that are loaded."""
    chosen = options or Options()
    old, new = baseline.records(), results.records()
    measures = {**results.measures, **baseline.measures}
    check_tolerances(chosen.tolerances, measures)
    check_patterns(chosen.only, [names_of(record.specification) for record in (*old, *new)])
    pairs = pair(cells_of(old, chosen.only, chosen.seeds), cells_of(new, chosen.only, chosen.seeds))
    _check_something_shared(pairs, baseline, results, chosen)
    for one in pairs:
        find_problems(one, chosen.allow_missing)
    tolerances = {name: chosen.tolerances.get(name, default_tolerance(measure)) for name, measure in measures.items()}
    found = series_of(pairs, measures)
    judged = judge([one for _, one in found], tolerances)
    changes: dict[int, list[Change]] = defaultdict(list)
    for (owner, _), change in zip(found, judged.changes, strict=True):
        changes[id(owner)].append(change)
    return Comparison(
        baseline=plain(str(baseline.folder), 200),
        results=plain(str(results.folder), 200),
        cells=tuple(_cell(one, changes[id(one)]) for one in pairs),
        averages=tuple(judged.averages),
        visible=tuple(visible_losses(judged, tolerances)),
        remarks=tuple(_remarks(baseline, results, pairs, chosen)),
    )


def visible_losses(judged: Judged, tolerances: dict[str, float]) -> list[Visible]:
    """By task and metric, the loss at which half of the tested cells would have been called a regression."""
    family = [one for one in judged.tested if one.test is not None]
    level = LEVEL * judged.share / max(1, len(family))
    losses: dict[tuple[Track, str, str], list[float]] = defaultdict(list)
    measures: dict[str, Measure] = {}
    for one in family:
        if one.test is not None:
            name = one.measure.name
            loss = max(tolerances[name], -float(stdtrit(one.test.freedom, level)) * one.test.error)
            losses[one.track, one.task, name].append(loss)
            measures[name] = one.measure
    return [Visible(track=track, task=task, measure=measures[name], loss=median(values), cells=len(values))
            for (track, task, name), values in losses.items()]  # fmt: skip


def _cell(one: Pair, changes: list[Change]) -> ComparedCell:
    task, attack, defense = one.labels
    verdicts = {change.verdict for change in changes}
    outcome: Outcome = "fine"
    if one.problems:
        outcome = "broken"
    elif not one.before:
        outcome = "new"
    elif one.unusable_in_both():
        outcome = "unusable in both"
    elif "regression" in verdicts:
        outcome = "regression"
    elif "improvement" in verdicts or _recovered(one):
        outcome = "improvement"
    return ComparedCell(track=one.track, task=task, attack=attack, defense=defense, digest=one.digest, outcome=outcome,
                        problems=tuple(one.problems), changes=tuple(changes))  # fmt: skip


def _recovered(one: Pair) -> bool:
    """Whether a seed that had failed, diverged or not fitted is fine now."""
    return any(record.status != "ok" and seed in one.after and one.after[seed].status == "ok"
               for seed, record in one.before.items())  # fmt: skip


def _check_something_shared(pairs: list[Pair], baseline: Results, results: Results, options: Options) -> None:
    sides = {"BASELINE": (baseline, any(one.before for one in pairs)),
             "RESULTS": (results, any(one.after or one.other for one in pairs))}  # fmt: skip
    chosen = " with the chosen --only and --seeds" if options.only or options.seeds else ""
    for name, (side, there) in sides.items():
        if not there:
            raise UserError(f"{name}: {plain(str(side.folder), 200)}: has no cell{chosen}, needs at least one")
    if options.allow_missing and not any(one.before and (one.after or one.other) for one in pairs):
        raise UserError("--allow-missing: BASELINE and RESULTS have no cell in common, so there is nothing to compare")


def _remarks(baseline: Results, results: Results, pairs: list[Pair], options: Options) -> list[str]:
    lines = [f"{side}: {line}" for side, found in (("baseline", baseline), ("results", results)) for line in found.problems]
    both = [(one.before[seed], one.after[seed]) for one in pairs for seed in one.before if seed in one.after]
    for name, differ in (("computed in other ways", way_of_computing), ("of other data", _data)):
        odd = [(old, new) for old, new in both if differ(old) != differ(new)]
        if odd:
            old, new = odd[0]
            lines.append(f"{count(len(odd), 'record')} {name} are compared, such as {differ(old)} with {differ(new)}")
    single = sum(len(one.before) == 1 and bool(one.after) for one in pairs)
    if single:
        lines.append(f"{count(single, 'cell')} of one seed: judged by the tolerance alone, which noise can exceed; "
                     "three seeds or more tell one from the other")  # fmt: skip
    gone = sum(bool(one.before) and not one.after and one.other is None for one in pairs)
    if gone and options.allow_missing:
        lines.append(f"{count(gone, 'cell')} of the baseline not in the results, which --allow-missing allows")
    return lines


def _data(record: Record) -> str:
    return plain(record.provenance.data, 24) or "data unknown"
