"""What every output says in words: a change, a summary, the numbers of a table."""

from __future__ import annotations

from fflbench.leaderboard.comparison.verdicts import Change, Comparison, Speed
from fflbench.leaderboard.wording import count, fixed, plain

DASH = "-"
MOST_ALIKE = 3
CHANGES = ("Task / attack / defense", "Metric", "Before", "After", "Difference", "Tolerance", "Seeds", "Why")
BENCHMARKS = ("Benchmark", "Before", "After", "Ratio", "Pace")


def headline(found: Comparison) -> str:
    """The verdict in one line."""
    if found.passed:
        compared = sum(bool(cell.changes) for cell in found.cells)
        return f"passed: no regression in {count(compared, 'cell')}"
    parts = [count(len(found.regressions), "regression")] if found.regressions else []
    parts += [f"{count(len(found.broken), 'cell')} broken"] if found.broken else []
    parts += [f"{count(len(found.slower), 'benchmark')} slower or missing"] if found.slower else []
    return f"failed: {', '.join(parts)}"


def counts(found: Comparison) -> str:
    """How many cells ended how, and how many benchmarks."""
    names = {"broken": "broken", "regression": "regressed", "improvement": "improved", "fine": "fine", "new": "new",
             "unusable in both": "unusable in both"}  # fmt: skip
    cells = ", ".join(f"{len(found.having(key))} {name}" for key, name in names.items() if found.having(key))  # type: ignore[arg-type]
    means = [change.verdict for change in found.averages]
    average = f"; means over attacks: {means.count('regression')} of {len(means)} regressed" if means else ""
    paces = [speed.pace for speed in found.speeds]
    speed = f"; benchmarks: {', '.join(f'{paces.count(p)} {p}' for p in dict.fromkeys(paces))}" if paces else ""
    return f"{count(len(found.cells), 'cell')}: {cells}{average}{speed}"


def broken_lines(found: Comparison) -> list[tuple[str, str]]:
    """Where and what, for broken cells. Many with the same reason are one line: a task that changed breaks all of its."""
    same: dict[tuple[str, ...], list[str]] = {}
    for cell in found.broken:
        same.setdefault(cell.problems, []).append(cell.place)
    lines = []
    for problems, places in same.items():
        what = "; ".join(problems)
        if len(places) > MOST_ALIKE:
            lines.append((f"{len(places)} cells, such as {places[0]}", what))
        else:
            lines += [(place, what) for place in places]
    return lines


def change_cells(change: Change) -> tuple[str, ...]:
    """A row of a table with the headings `CHANGES`."""
    why = ground(change)
    return (change.place, plain(change.measure.heading, 40), *numbers(change), tolerance(change), str(change.seeds), why)


def numbers(change: Change) -> tuple[str, str, str]:
    """Before, after and difference, with the metric's decimals."""
    places = change.measure.decimals(max(abs(change.before), abs(change.after)))
    return fixed(change.before, places), fixed(change.after, places), fixed(change.difference, places, signed=True)


def ground(change: Change) -> str:
    """Why the verdict: the corrected p value, or the tolerance alone."""
    if change.p is None:
        return "one seed: by tolerance alone" if change.seeds == 1 else DASH
    return "p < 0.001" if change.p < 0.001 else f"p = {change.p:.3f}"


def tolerance(change: Change) -> str:
    return f"{change.tolerance:g} {change.measure.unit}".strip()


def sentence(change: Change) -> str:
    """`accuracy 81.2 -> 76.0 (-5.2 %, tolerance 1 %, 3 seeds, p = 0.003)`."""
    before, after, difference = numbers(change)
    unit = f" {change.measure.unit}" if change.measure.unit else ""
    label = plain(change.measure.label, 40)
    return (f"{label} {before} -> {after} ({difference}{unit}, tolerance {tolerance(change)}, "
            f"{count(change.seeds, 'seed')}, {ground(change)})")  # fmt: skip


def visible_lines(found: Comparison) -> list[str]:
    """What this comparison could have seen at all."""
    return [
        f"{one.task}: a loss of {plain(one.measure.label, 40)} below {fixed(one.loss, one.measure.decimals(one.loss))}"
        f"{f' {one.measure.unit}' if one.measure.unit else ''} would have gone unseen in half of {count(one.cells, 'cell')}"
        for one in found.visible
    ]


def speed_cells(speed: Speed) -> tuple[str, ...]:
    """A row of a table with the headings `BENCHMARKS`."""
    before, after = (DASH if value is None else _duration(value) for value in (speed.before, speed.after))
    return speed.name, before, after, DASH if speed.ratio is None else f"{speed.ratio:.2f}", speed.pace


def speed_sentence(speed: Speed) -> str:
    """What is wrong with a benchmark; empty if nothing is."""
    if speed.pace == "missing":
        return "missing"
    _, before, after, ratio, _ = speed_cells(speed)
    return f"median {before} -> {after} (ratio {ratio})" if speed.pace == "slower" else ""


def _duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
