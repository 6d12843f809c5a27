"""Runs sampled cells of a submission again: in worker processes with limits, in a results folder of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from fflbench.errors import UserError
from fflbench.execution import Engine, Execution, Precision
from fflbench.records import Record
from fflbench.runner.cell import Cell, make_cell
from fflbench.runner.local import Limits
from fflbench.runner.options import Settings
from fflbench.runner.plan import Planned
from fflbench.runner.resources import free_memory
from fflbench.runner.run import Run, results_folder
from fflbench.settings import Resources
from fflbench.verification.compare import compare
from fflbench.verification.pictures import other_picture
from fflbench.verification.report import VerifiedCell
from fflbench.verification.respecify import respecify

NAME = "verify"
MOST_THREADS = 256


@dataclass(frozen=True)
class Conditions:
    """How cells are run again: on `device`, `jobs` at once, each within `seconds` (None: no limit) and `memory` GB (None:
    what is free here, shared), with `plugins` loaded. `paths`: files that a submission names may be opened. `tolerance` is
    that of `compare`."""

    device: str = "cpu"
    jobs: int = 1
    seconds: float | None = None
    memory: float | None = None
    plugins: tuple[Path, ...] = ()
    paths: bool = False
    tolerance: float = 1.0


def verify(
    records: Iterable[Record], pictures: dict[str, bytes], folder: Path, conditions: Conditions,
    shown: Callable[[VerifiedCell], None],
) -> list[VerifiedCell]:  # fmt: skip
    """Run the cells of these records again and compare, in the order of the records; `pictures` are those that they list.
    `shown` is called with each as it is done; records and logs of the runs stay in `folder`."""
    results: dict[str, VerifiedCell] = {}
    ready: dict[tuple[int, str], list[tuple[Record, Cell]]] = {}

    def settle(result: VerifiedCell) -> None:
        results[result.record] = result
        shown(result)

    chosen = list(records)
    for record in chosen:
        origin = record.provenance
        try:
            cell = make_cell(respecify(record.specification, conditions.paths), NAME, _execution(record, conditions))
        except UserError as error:
            settle(_result(record, None, "not verified", f"cannot be verified here: {error}"))
            continue
        ready.setdefault((origin.threads, origin.precision), []).append((record, cell))
    for pairs in ready.values():
        _run(pairs, pictures, folder, conditions, settle)
    return [results[record.digest] for record in chosen]


def _execution(record: Record, conditions: Conditions) -> Execution:
    """As the record was computed, but for the device."""
    threads, precision = record.provenance.threads, record.provenance.precision
    if not 1 <= threads <= MOST_THREADS:
        raise UserError(f"threads: found {threads}, needs 1 to {MOST_THREADS}")
    for known in get_args(Precision):
        if precision == known:
            engine: Engine = "torch" if record.provenance.computed_by == "torch" else "auto"
            return Execution(conditions.device, threads, known, engine)
    raise UserError(f"precision: found {precision[:20]!r}, needs {' or '.join(get_args(Precision))}")


def _run(
    pairs: list[tuple[Record, Cell]], pictures: dict[str, bytes], folder: Path, conditions: Conditions,
    settle: Callable[[VerifiedCell], None],
) -> None:  # fmt: skip
    share = conditions.memory or 0.8 * free_memory() / conditions.jobs
    planned = [Planned(cell, Resources(memory=share), "", None) for _, cell in pairs]
    settings = Settings(
        jobs=conditions.jobs,
        execution=pairs[0][1].execution,
        plugins=conditions.plugins,
        limits=Limits(conditions.seconds, share),
        retry_failed=True,
    )
    stated = {cell.digest: record for record, cell in pairs}
    run = Run(NAME, planned, results_folder(folder), settings)
    for finished in run.go():
        if finished is not None:
            digest = finished.cell.digest
            settle(_compared(stated[digest], run.store.read(digest), pictures, folder, conditions.tolerance))


def _compared(
    stated: Record, found: Record | None, pictures: dict[str, bytes], folder: Path, tolerance: float
) -> VerifiedCell:
    if found is None or found.status == "failed":
        why = found.error if found else "it left no record"
        return _result(stated, found, "not verified", f"did not end here: {why}")
    outcome, note = compare(stated, found, tolerance)
    if outcome == "same" and (other := other_picture(stated, pictures, found, folder)):
        outcome, note = "differs", f"picture {other} is not what this cell gives"
    if outcome != "same":
        other = _other_conditions(stated, found)
        why = f"other {other} than the submission's" if other else "by the same code, data and libraries"
        note = f"{note}{'; ' if note else ''}{why}"
    return _result(stated, found, outcome, note)


def _other_conditions(stated: Record, found: Record) -> str:
    """What is not the same here as where the submission was made."""
    one, other = stated.provenance, found.provenance
    names = ("engine", "data", "machine", "python", "libraries", "computed_by")
    parts = [name.replace("_", " ") for name in names if getattr(one, name) != getattr(other, name)]
    parts += [f"code of {name}" for name in sorted(one.plugins) if one.plugins[name] != other.plugins.get(name)]
    if one.device.partition(":")[0] != other.device.partition(":")[0]:
        parts.append(f"device ({one.device[:20]}, here {other.device})")
    return ", ".join(parts)


def _result(record: Record, found: Record | None, outcome: str, note: str) -> VerifiedCell:
    return VerifiedCell.model_validate({
        "record": record.digest, "name": record.specification.name[:500], "outcome": outcome, "note": note[:500],
        "stated": record.metrics, "found": found.metrics if found else {},
    })  # fmt: skip
