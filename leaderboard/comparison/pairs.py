"""Which cell of the results belongs to which cell of the baseline, and what broke on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from fflbench.leaderboard.wording import count, plain
from fflbench.meaning import meaning
from fflbench.patterns import Names, matches, names_of
from fflbench.records import Record, Specification, Track, digest_of

Cells = dict[str, dict[int, Record]]
"""Records by the digest of what they specify besides the seed, and by seed."""

MOST_SHOWN = 3


@dataclass
class Pair:
    """One cell: its records by seed, before and after. `other` is a cell of the results that has the same labels and is
    something else; `problems` says what broke, a line each."""

    digest: str
    before: dict[int, Record]
    after: dict[int, Record]
    other: Specification | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def specification(self) -> Specification:
        return next(iter((self.before or self.after).values())).specification

    @property
    def track(self) -> Track:
        return self.specification.track

    @property
    def names(self) -> Names:
        return names_of(self.specification)

    @property
    def labels(self) -> Names:
        """The names as they are shown."""
        task, attack, defense = (plain(label) or "(no name)" for label in self.names)
        return task, attack, defense

    def shared(self, metric: str) -> dict[int, tuple[float, float]]:
        """The metric before and after, on the seeds that have it in both."""
        found = {}
        for seed, record in sorted(self.before.items()):
            later = self.after.get(seed)
            if record.status == "ok" and later is not None and later.status == "ok":
                values = record.metrics.get(metric), later.metrics.get(metric)
                if values[0] is not None and values[1] is not None:
                    found[seed] = (values[0], values[1])
        return found

    def unusable_in_both(self) -> bool:
        """Whether there was nothing to lose, and still is not."""
        usable = [r for r in (*self.before.values(), *self.after.values()) if r.status == "ok"]
        return bool(self.before) and not usable


def cells_of(records: Iterable[Record], only: tuple[str, ...], seeds: tuple[int, ...]) -> Cells:
    """The chosen cells, in the order of their labels."""
    cells: Cells = {}
    for record in sorted(records, key=lambda r: (r.specification.track, *names_of(r.specification), r.specification.seed)):
        spec = record.specification
        chosen = not only or any(matches(names_of(spec), pattern) for pattern in only)
        if chosen and (not seeds or spec.seed in seeds):
            same = meaning(spec.model_copy(update={"seed": 0}))
            cells.setdefault(same, {})[spec.seed] = record
    return cells


def pair(before: Cells, after: Cells) -> list[Pair]:
    """Every cell of either side. One of the results that has only the labels of a cell of the baseline is not new: it is
    what became of it, and cannot be compared."""
    pairs = [Pair(digest, records, after.get(digest, {})) for digest, records in before.items()]
    new = [Pair(digest, {}, records) for digest, records in after.items() if digest not in before]
    for one in pairs:
        same = None if one.after else next((n for n in new if (n.track, n.names) == (one.track, one.names)), None)
        if same is not None:
            one.other = same.specification
            new.remove(same)
    return [*pairs, *new]


def find_problems(one: Pair, allow_missing: bool) -> None:
    """Fill in what was fine in the baseline and is not any more."""
    fine = {seed: record for seed, record in one.before.items() if record.status == "ok"}
    if not fine:
        return
    if one.other is not None:
        one.problems.append(f"not comparable: {difference_of(one.specification, one.other)}")
        return
    lines: dict[str, list[int]] = {}
    for seed, record in fine.items():
        for line in _problems(record, one.after.get(seed), allow_missing):
            lines.setdefault(line, []).append(seed)
    for line, seeds in lines.items():
        listed = f" (seed {', '.join(map(str, seeds))})" if len(seeds) < len(fine) else ""
        one.problems.append(f"{line}{listed}")


def _problems(before: Record, after: Record | None, allow_missing: bool) -> Iterator[str]:
    if after is None:
        if not allow_missing:
            yield "missing"
    elif after.status != "ok":
        yield f"{after.status}: {plain(after.error, 200) or 'no reason recorded'}"
    else:
        lost = [name for name, value in before.metrics.items() if value is not None and after.metrics.get(name) is None]
        if lost:
            yield f"no value any more: {plain(', '.join(sorted(lost)), 200)}"


def difference_of(before: Specification, after: Specification) -> str:
    """Which specification changed under the same label, and in what."""
    parts = []
    for name in ("task", "attack", "defense"):
        old, new = (getattr(spec, name).model_dump(mode="json") for spec in (before, after))
        if digest_of(old) != digest_of(new):
            first, second = dict(_leaves(old)), dict(_leaves(new))
            absent = "(none)"
            keys = [key for key in {**first, **second} if first.get(key, absent) != second.get(key, absent)]
            listed = [f"{key} {first.get(key, absent)} -> {second.get(key, absent)}" for key in keys[:MOST_SHOWN]]
            more = [f"and {count(len(keys) - MOST_SHOWN, 'more')}"] if len(keys) > MOST_SHOWN else []
            parts.append(f"the {name}'s specification changed ({', '.join([*listed, *more])})")
    return plain("; ".join(parts), 400)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The values of nested tables by their path."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
        for position, inner in enumerate(value):
            name = inner.get("name", position) if isinstance(inner, dict) else position
            yield from _leaves(inner, f"{path}.{name}")
    else:
        yield path, plain(str(value), 60)
