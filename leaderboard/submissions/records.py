"""Records from strangers: what each must be, alone and beside the others of its file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain

import pydantic

from fflbench.errors import UserError
from fflbench.execution import native_or_not
from fflbench.leaderboard.measures import LARGEST, Measure, measure
from fflbench.leaderboard.results import CLEAN, capped, implausible
from fflbench.leaderboard.submissions.labels import check_label
from fflbench.leaderboard.submissions.pictures import check_pictures
from fflbench.parameters import explain
from fflbench.records import SCHEMA, Record, digest_of
from fflbench.strict_json import strict_json

_METRIC = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,38}[a-z0-9])?")
MOST_METRICS = 64


def record_in(line: bytes, where: str, measures: dict[str, Measure]) -> Record:
    """The record in one line, checked alone. `measures` are those looked up so far; new ones are added, for a look-up takes
    longer than a record. Raises `UserError` that begins with `where`."""
    value = strict_json(line, where)
    if isinstance(value, dict) and value.get("schema_version", SCHEMA) != SCHEMA:
        raise UserError(f"{where}: schema_version: found {str(value['schema_version'])[:20]!r}, needs {SCHEMA}")
    try:
        record = Record.model_validate_json(line, strict=True)
    except pydantic.ValidationError as error:
        raise UserError(f"{where}: {explain(error, 'record')}") from None
    wrong = _wrong_with(record) or _wrong_numbers(record, measures)
    if wrong:
        raise UserError(f"{where}: record {record.digest[:12]}: {wrong}")
    return record


def stated_digests(record: Record) -> tuple[str, ...]:
    """The digests that its content can have: of specification, plug-ins, engine, data and way of computing, as
    `fflbench.runner.cell.Cell.digest` makes it. Records from before threads and precision counted have the second."""
    origin = record.provenance
    content = {
        "specification": record.specification.model_dump(mode="json"),
        "plugins": origin.plugins,
        "engine": origin.engine,
        "data": origin.data,
        "device": origin.device.partition(":")[0],
    }
    by = native_or_not(origin.computed_by)
    now = digest_of({**content, "threads": origin.threads, "precision": origin.precision, **by})
    usual = origin.threads == 1 and origin.precision == "float32" and not by
    return (now, digest_of(content)) if usual else (now,)


def check_records(records: Iterable[Record], pictures: dict[str, bytes], where: str) -> None:
    """Raises `UserError` where records of one file do not go together, or pictures with them."""
    seen: dict[str, Record] = {}
    for record in records:
        name = record.specification.name
        for digest, what in ((record.digest, "record"), (record.specification.digest(), "specification")):
            if digest in seen:
                raise UserError(f"{where}: {name}: the {what} {digest[:12]} is there twice, needs each once")
            seen[digest] = record
        check_pictures(record, pictures, f"{where}: {name}")
    listed = {artefact.file for record in seen.values() for artefact in record.artefacts}
    stray = sorted(set(pictures) - listed)
    if stray:
        raise UserError(f"{where}: picture {ascii(stray[0])[:100]}: is listed by no record")


def _wrong_with(record: Record) -> str:
    if record.digest not in stated_digests(record):
        return "its digest does not follow from its specification, code and data: one of them was changed after it ran"
    spec = record.specification
    for kind, label in (("task", spec.task.label), ("attack", spec.attack.label), ("defense", spec.defense.label)):
        try:
            check_label(label)
        except ValueError as error:
            return f"{kind} label: {error}"
    if spec.track == "poisoning" and spec.attack.label == CLEAN and spec.attack.name != CLEAN:
        return f"attack label: found {CLEAN!r} for {ascii(spec.attack.name)[:60]}, which is no absence of an attack"
    for kind, part in (("dataset", spec.task.dataset), ("model", spec.task.model)):
        if (
            set(part) != {"name", "parameters"}
            or not isinstance(part["name"], str)
            or not isinstance(part["parameters"], dict)
        ):
            return f"task.{kind}: needs a name and parameters, and nothing else"
    return ""


def _wrong_numbers(record: Record, measures: dict[str, Measure]) -> str:
    names = {*record.metrics, *record.curves, *chain.from_iterable(record.references.values())}
    names |= {name for artefact in record.artefacts for name in artefact.scores}
    odd = sorted(name for name in names if not _METRIC.fullmatch(name))
    if odd:
        return f"metric {ascii(odd[0])[:60]}: needs a name of small letters, digits, dots and dashes"
    if len(names) > MOST_METRICS:
        return f"has {len(names)} metrics, needs at most {MOST_METRICS}"
    if any(abs(score) > LARGEST for artefact in record.artefacts for score in artefact.scores.values()):
        return f"holds a number beyond {LARGEST:g}"
    for name in (*record.metrics, *record.curves):
        if name not in measures:
            measures[name] = measure(name)
    endless = {name for name, about in measures.items() if about.better == "lower" and about.high is None}
    return implausible(capped(record, endless), measures)
