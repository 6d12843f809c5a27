"""Cells that come to the same, bit for bit: computed once, recorded for each.

An observer looks at what leaves the peers' hands, before anything is aggregated. Defenses with the same stages (all that
have none, say) therefore show it the same round, and the attack would return the same images. And where no stage changes
what a poisoner sends, both strategies of uploading are one.
"""

from __future__ import annotations

from dataclasses import replace

from fflbench import registry
from fflbench.contracts import PoisoningAttack
from fflbench.errors import UserError
from fflbench.records import Artefact, AttackSpec, Record, RecordStore, digest_of
from fflbench.runner.cell import Cell


def view_of(cell: Cell) -> str:
    """A digest that cells share only when they come to the same."""
    spec = cell.specification
    stages = tuple(part for part in spec.defense.parts if part.kind == "stage")
    if spec.track == "reconstruction":
        seen = spec.model_copy(update={"defense": spec.defense.model_copy(update={"label": "", "parts": stages})})
    elif not stages and _follows_the_strategy(spec.attack):
        coalition = spec.attack.coalition | {"strategy": "S1"}
        seen = spec.model_copy(update={"attack": spec.attack.model_copy(update={"label": "", "coalition": coalition})})
    else:
        return cell.digest
    return digest_of(["view", replace(cell, specification=seen).digest])


def _follows_the_strategy(attack: AttackSpec) -> bool:
    """Whether S1 and S2 differ in nothing but which of two rows is sent; of plug-ins of others nobody knows."""
    plugin = registry.find("attacks", attack.name)
    return plugin.built_in and registry.load("attacks", attack.name).poison_upload is PoisoningAttack.poison_upload


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
