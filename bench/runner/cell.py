"""One cell from specification to record, in this process."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from fflbench.clock import Clock
from fflbench.errors import UnfitError, UserError
from fflbench.execution import FULL, Execution, check_engine
from fflbench.federation.engine import settled
from fflbench.federation.observation import observe
from fflbench.federation.rounds import History, evaluate, run_rounds
from fflbench.federation.setup import Federation, build_federation
from fflbench.federation.task import load_task
from fflbench.keeper import Keeper
from fflbench.matching import incompatibility
from fflbench.metrics.classification import class_accuracies
from fflbench.metrics.scoring import metrics, score
from fflbench.records import Artefact, Record, RecordStore, Specification, Status, digest_of
from fflbench.runner.peak import forget_peak, resident
from fflbench.runner.provenance import provenance
from fflbench.runner.sources import engine_digest, plugin_digests
from fflbench.shortening import as_run

log = logging.getLogger("fflbench.cell")
log.addHandler(logging.NullHandler())

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Cell:
    """A specification with what else decides its result, and where it is kept."""

    specification: Specification
    suite: str
    data: str
    execution: Execution = FULL

    @cached_property
    def digest(self) -> str:
        """The record's name: the specification, the code that runs it, the data, and how it is computed. The version counts
        through the code."""
        return digest_of({
            "specification": self.specification.model_dump(mode="json"),
            "plugins": plugin_digests(self.specification),
            "engine": engine_digest(),
            "data": self.data,
            **self.execution.decisive(),
        })  # fmt: skip

    def record(self, status: Status, started: str = "", resumed: int = 0, **content: Any) -> Record:
        """A record of this cell with that content."""
        now = timestamp()
        origin = provenance(self.specification, self.suite, self.data, self.execution, started or now, now, resumed)
        return Record(digest=self.digest, specification=self.specification, status=status, provenance=origin, **content)


def make_cell(spec: Specification, suite: str, execution: Execution = FULL) -> Cell:
    """The cell with its engine settled. Raises `DataError` when the task's data are not there."""
    return Cell(spec, suite, load_task(spec.task).data.digest, settled(spec, execution))


def run_cell(
    cell: Cell, store: RecordStore, progress: Progress = lambda done, total: None, keeper: Keeper | None = None
) -> Record:
    """Run one cell, from where `keeper` has kept it, and write its record. Whatever goes wrong inside is recorded as
    `failed`; its traceback is logged."""
    started, keeper = timestamp(), keeper or Keeper()
    cell.execution.prepare()
    forget_peak()
    try:
        check_engine(cell.execution)
        spec = as_run(cell.specification)
        reason = incompatibility(spec, load_task(spec.task).view)
        if reason:
            record = cell.record("incompatible", started, error=reason)
        elif spec.track == "poisoning":
            record = _poisoning(cell, spec, started, progress, keeper)
        else:
            record = _reconstruction(cell, spec, store, started, progress, keeper)
    except UnfitError as error:
        record = cell.record("incompatible", started, error=str(error))
    except Exception as error:
        log.exception("failed")
        text = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        record = cell.record("failed", started, error=" ".join(text.split())[:500], output=last_lines(store, cell.digest))
    origin = record.provenance.model_copy(update={"memory": round(resident("VmHWM") / 1e9, 2)})
    record = record.model_copy(update={"provenance": origin})
    store.write(record)
    return record


def timestamp() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def last_lines(store: RecordStore, digest: str, count: int = 40, width: int = 300) -> str:
    """The end of what a cell printed."""
    try:
        with store.log(digest).open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - count * width))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(line[:width] for line in text.splitlines()[-count:])


def _poisoning(cell: Cell, spec: Specification, started: str, progress: Progress, keeper: Keeper) -> Record:
    clock = Clock(cell.execution.device)
    with clock.phase("set-up"):
        federation = build_federation(spec, cell.execution)
    history, reported = run_rounds(federation, clock, progress, keeper)
    common: dict[str, Any] = {
        "curves": dict(history.curves),
        "notes": _notes(federation, history),
        "sent": dict(history.sent),
        "resumed": keeper.resumed,
    }
    if history.diverged_in is not None:
        error = f"the global model is not finite after round {history.diverged_in}"
        empty = dict.fromkeys(metrics("poisoning"))
        return cell.record("diverged", started, error=error, metrics=empty, seconds=dict(clock.seconds), **common)
    if history.uploads == history.rejected:
        raise UserError("no upload was accepted in any round, so nothing was learned")
    with clock.phase("evaluation"):
        outcome = evaluate(federation, reported, history)
        values = score("poisoning", outcome)
    names = federation.task.view.classes
    classes = {names[index]: value for index, value in class_accuracies(outcome).items()}
    return cell.record("ok", started, metrics=values, classes=classes, seconds=dict(clock.seconds), **common)


def _notes(federation: Federation, history: History) -> dict[str, Any]:
    return {
        "uploads": history.uploads,
        "rejected uploads": history.rejected,
        "absent peers": history.absent,
        "rounds": history.rounds,
        "attackers": list(federation.coalition.members),
        "coalition": {k: v for k, v in asdict(federation.coalition).items() if k != "members"},
        "parameters": federation.network.layout.size,
        **{key: value for part in federation.defense.parts for key, value in part.notes().items()},
    }


def _reconstruction(
    cell: Cell, spec: Specification, store: RecordStore, started: str, progress: Progress, keeper: Keeper
) -> Record:
    clock = Clock(cell.execution.device)
    seen = observe(spec, cell.execution, clock, progress, keeper)
    artefacts = []
    for picture in seen.pictures:
        name = f"{picture.role}-{picture.index}.png"
        file, digest = store.write_artefact(cell.digest, name, picture.png)
        artefacts.append(Artefact(file=file, digest=digest, role=picture.role, index=picture.index, scores=picture.scores))
    return cell.record(
        "ok", started, keeper.resumed, metrics=seen.metrics, references=seen.references, artefacts=tuple(artefacts),
        sent=seen.sent, notes={**seen.notes, "uploads": seen.uploads}, seconds=dict(clock.seconds),
    )  # fmt: skip
