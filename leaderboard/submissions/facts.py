"""What a submission's header says of its records, drawn from the records themselves: threat model and environment."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fflbench.leaderboard.submissions.labels import places
from fflbench.records import Provenance, Record

MOST_VALUES = 50
"""Values of one kind that a header lists; a submission of more environments than that says only how many."""

_ORIGIN: dict[str, Callable[[Provenance], str]] = {
    "fflbench": lambda source: source.version,
    "commit": lambda source: f"{source.commit or 'unknown'}{' (uncommitted changes)' if source.dirty else ''}",
    "engine": lambda source: source.engine,
    "python": lambda source: source.python,
    "machine": lambda source: source.machine,
    "device": lambda source: source.device.partition(":")[0],
    "precision": lambda source: source.precision,
    "libraries": lambda source: ", ".join(f"{name} {version}" for name, version in sorted(source.libraries.items())),
}


def facts(records: Iterable[Record]) -> dict[str, Any]:
    """`threat`: by task its data, model and settings, and what its attacks assume; `environment`: each value that the
    records state; `plugins`: the digests of the code that they used. The same records give the same facts, in any order."""
    records = list(records)
    return {"threat": _threat(records), "environment": _environment(records), "plugins": _plugins(records)}


def _threat(records: list[Record]) -> dict[str, Any]:
    tasks: dict[str, Any] = {}
    for record in sorted(records, key=lambda r: r.digest):
        spec = record.specification
        found = tasks.setdefault(places(spec).task, {
            "dataset": spec.task.dataset, "model": spec.task.model, "settings": spec.task.settings, "attacks": {},
        })  # fmt: skip
        found["attacks"][spec.attack.label] = spec.attack.threat
    return tasks


def _environment(records: list[Record]) -> dict[str, list[str]]:
    return {name: _listed({read(record.provenance) for record in records}) for name, read in _ORIGIN.items()}


def _plugins(records: list[Record]) -> dict[str, list[str]]:
    used: dict[str, set[str]] = {}
    for record in records:
        for name, digest in record.provenance.plugins.items():
            used.setdefault(name, set()).add(digest)
    return {name: _listed(digests) for name, digests in sorted(used.items())}


def _listed(values: set[str]) -> list[str]:
    return sorted(values) if len(values) <= MOST_VALUES else [f"{len(values)} different ones"]
