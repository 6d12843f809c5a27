"""Reconstruction cells in which the server sees the same thing: observed once, recorded for every defense.

The observer looks at what leaves the peers' hands, before anything is aggregated. Defenses with the same stages (all that
have none, say) therefore show it the same round, and the attack would return the same images bit for bit.
"""

from __future__ import annotations

from dataclasses import replace

from fflbench.errors import UserError
from fflbench.records import Artefact, Record, RecordStore, digest_of
from fflbench.runner.cell import Cell


def view_of(cell: Cell) -> str:
    """A digest that cells share exactly when their server sees the same; a poisoning cell shares it with none."""
    spec = cell.specification
    if spec.track == "poisoning":
        return cell.digest
    stages = tuple(part for part in spec.defense.parts if part.kind == "stage")
    seen = spec.model_copy(update={"defense": spec.defense.model_copy(update={"label": "", "parts": stages})})
    return digest_of(["view", replace(cell, specification=seen).digest])


def repeat_record(record: Record, cell: Cell, store: RecordStore) -> Record:
    """Write the record of another cell with the same view as this cell's own, pictures included."""
    artefacts = []
    for artefact in record.artefacts:
        name = artefact.file.rpartition("/")[2]
        try:
            data = (store.folder / artefact.file).read_bytes()
        except OSError as error:
            raise UserError(f"results folder {store.folder}: {artefact.file} cannot be read ({error.strerror})") from None
        file, _ = store.write_artefact(cell.digest, name, data)
        artefacts.append(Artefact(**{**artefact.model_dump(), "file": file}))
    kept = ("error", "output", "metrics", "curves", "references", "classes", "notes", "seconds", "sent")
    content = {name: getattr(record, name) for name in kept}
    origin = record.provenance
    own = cell.record(record.status, origin.started, origin.resumed, artefacts=tuple(artefacts), **content)
    own = own.model_copy(update={"provenance": own.provenance.model_copy(update={"memory": origin.memory})})
    store.write(own)
    return own
