"""Records of the same cells by other code, other data or another way to compute: kept, but never taken for these cells'."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import chain

from fflbench import __version__
from fflbench.records import RecordStore
from fflbench.runner.cell import Cell
from fflbench.runner.plan import Planned
from fflbench.runner.sources import engine_digest, plugin_digests

MOST = 5
"""Plug-ins that are named one by one."""


def stale_records(store: RecordStore, planned: Sequence[Planned]) -> Counter[str]:
    """How many records there are of planned cells that have none which counts, by what has changed since."""
    present = {path.stem: path for path in (store.folder / "records").glob("*.json")}
    missing = [item.cell for item in planned if item.cell.digest not in present]
    digests = {item.cell.digest for item in planned}
    others = [path for stem, path in present.items() if stem not in digests]
    if not missing or not others:
        return Counter()
    cells = {_key(cell.specification.model_dump(mode="json")): cell for cell in missing}
    reasons: Counter[str] = Counter()
    changed: list[list[str]] = []
    for path in others:
        try:
            values = json.loads(path.read_bytes())
            cell = cells.get(_key(values["specification"]))
            if cell is not None:
                reason = _what_changed(values["provenance"], cell)
                if isinstance(reason, str):
                    reasons[reason] += 1
                else:
                    changed.append(reason)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue  # Not a record: the leaderboard says so.
    if changed:
        reasons[f"another source of {_listed(changed)}"] = len(changed)
    return reasons


def _listed(changed: Sequence[Sequence[str]]) -> str:
    """The plug-ins that most of the records have, first."""
    names = [name for name, _ in Counter(chain.from_iterable(changed)).most_common()]
    return ", ".join(names[:MOST]) + (f" and {len(names) - MOST} more" if len(names) > MOST else "")


def _key(specification: object) -> str:
    return json.dumps(specification, sort_keys=True)


def _what_changed(then: dict[str, object], cell: Cell) -> str | list[str]:
    """The first difference that explains another digest; of plug-ins all whose source is another."""
    now = cell.execution.decisive()
    was = {
        "device": str(then.get("device", "")).partition(":")[0],
        "threads": then.get("threads"),
        "precision": then.get("precision", "float32"),
    }
    for name, value in was.items():
        if value != now[name]:
            return f"{name} {value}"
    by = str(then.get("computed_by", "torch")).partition(" ")[0]
    if by != now.get("computed_by", "torch"):
        return f"the {by} engine"
    if then.get("data") != cell.data:
        return "other data"
    plugins, before = plugin_digests(cell.specification), then.get("plugins")
    changed = [name for name, digest in plugins.items() if not isinstance(before, dict) or before.get(name) != digest]
    if changed:
        return changed
    if then.get("engine") != engine_digest():
        version = then.get("version")
        return "another engine" if version == __version__ else f"version {version}"
    return "another digest"
