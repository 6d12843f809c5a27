"""The reconstruction track: what the server observes, and what an attack makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from fflbench import registry
from fflbench.clock import Clock
from fflbench.composition import Defense, build_defense
from fflbench.contracts import Examples, Observation, Reconstruction, ReconstructionAttack, Sight
from fflbench.execution import Execution
from fflbench.federation.checks import checked_reconstruction
from fflbench.federation.leakage import Candidates, Seen, Victim, measured
from fflbench.federation.network import Network
from fflbench.federation.scene import Played, Scene, drawn_scene, labels_seen, played
from fflbench.federation.task import Task, load_task
from fflbench.keeper import Descents, Keeper
from fflbench.parameters import construct
from fflbench.records import Specification
from fflbench.rng import Rng
from fflbench.settings import ObservationSettings
from fflbench.state import Kept

Progress = Callable[[int, int], None]


def observe(spec: Specification, execution: Execution, clock: Clock, progress: Progress, keeper: Keeper) -> Seen:
    """Let peers train and share, hand the server's view to the attack, and score what it returns. The guesses that `keeper`
    has kept are not made again."""
    settings = ObservationSettings.model_validate(spec.task.settings, strict=False)
    rng, task = Rng(spec.seed), load_task(spec.task)
    attack: ReconstructionAttack = construct(registry.load("attacks", spec.attack.name), spec.attack.parameters)
    with clock.phase("set-up"):
        scene = drawn_scene(task, settings, build_defense(spec.defense), rng)
        model = prepared_model(task, scene.defense, rng)
        network = Network(attack.tamper(model, task.view, rng.at("tamper")), torch.device(execution.device))
    rounds = played(network, scene, clock, execution, told=attack.curious > 0)
    kept, guesses = Kept({"attack": attack, "clock": clock}), list[Reconstruction | None]()

    def state() -> dict[str, Any]:
        return {"kept": kept.save(), "guesses": [guess and vars(guess) for guess in guesses]}

    saved = keeper.load() or {}
    if saved:
        kept.restore(saved["kept"])
        guesses = [values and Reconstruction(**values) for values in saved["guesses"]]
    victims = list[Victim]()
    for victim in range(settings.victims):
        sights = _sights(victim, attack, rounds, scene)
        if victim == len(guesses):
            descents = Descents(keeper, state, saved.pop("descents", ()))
            with clock.phase("reconstruction"):
                guesses.append(_guess(victim, attack, network, (sights, rounds), scene, (descents, execution)))
            progress(victim + 1, settings.victims)
            if keeper.due() and victim + 1 < settings.victims:
                keeper.save(state())
        victims.append(_victim(victim, guesses[victim], sights[-1], scene))
    with clock.phase("evaluation"):
        seen = measured(task, victims, settings.labels_known, attack, rng)
    upload = rounds[-1].upload
    seen.sent, seen.uploads = dict(upload.sent), len(upload.peers)
    seen.notes |= {"steps": sum(v.guess.steps for v in victims if v.guess), "visibility": upload.visibility.name.lower()}
    return seen


def prepared_model(task: Task, defense: Defense, rng: Rng) -> nn.Module:
    """The network that everybody would train if the server were honest."""
    model = task.build_model(rng.at("initial-model"))
    for stage in defense.stages:
        model = stage.prepare_model(model, rng.at("prepare-model"))
    return model


def _sights(victim: int, attack: ReconstructionAttack, rounds: list[Played], scene: Scene) -> list[Sight]:
    """What the server makes of the rounds, with the help of the peers that are curious about this victim."""
    others = [peer for peer in range(scene.settings.peers) if peer != victim]
    drawn = scene.rng.at("curious", victim=victim).numpy().permutation(others)
    return [one.seen(scene, drawn[: attack.curious].tolist()) for one in rounds]


def _victim(victim: int, guess: Reconstruction | None, last: Sight, scene: Scene) -> Victim:
    batch, upload = scene.batches[-1][victim], last.upload
    linked = _unnamed_order(len(upload.peers), scene).index(upload.peers.index(victim)) if victim in upload.peers else 0
    labels = labels_seen(upload, victim, scene.batches[-1])
    return Victim(batch, labels, _candidates(victim, batch, scene), guess, linked, len(upload.peers))


def _guess(
    victim: int, attack: ReconstructionAttack, network: Network, view: tuple[list[Sight], list[Played]], scene: Scene,
    means: tuple[Descents, Execution],
) -> Reconstruction | None:  # fmt: skip
    """What the attack makes of a victim's upload; None when that never reached the server."""
    sights, rounds = view
    settings, linking = scene.settings, attack.guesses == "links"
    last, batches = (sights[-2], scene.batches[-2]) if linking else (sights[-1], scene.batches[-1])
    batch = batches[victim]
    upload, device = last.upload, last.start.device
    update = upload.row_of(victim)
    if update is None or sights[-1].upload.row_of(victim) is None:
        return None
    network.load(last.start)
    network.model.eval()
    partner = next((k + j - victim for k, j in upload.pairs if victim in (k, j)), None)
    labels, records = labels_seen(upload, victim, batches), _candidates(victim, batch, scene).records
    seen = Observation(
        model=network.model,
        layout=network.layout,
        update=update,
        upload=upload,
        task=scene.task.view,
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        examples=len(labels),
        labels=labels.to(device) if settings.labels_known else None,
        victim=victim,
        candidates=Examples(records.inputs.to(device), records.targets.to(device)),
        training_mode=settings.training_mode,
        partner=partner,
        partner_labels=batches[partner].targets.to(device) if settings.labels_known and partner is not None else None,
        rounds=tuple(sights[:-1] if linking else sights),
        own=rounds[-1].own_entries(scene, victim) if attack.reads_masks else None,
        descents=means[0],
        lowered=means[1].lowered,
    )
    if linking:
        shown = sights[-1].upload.rows
        seen = replace(seen, unnamed=shown[torch.tensor(_unnamed_order(len(shown), scene), device=device)])
    stream = scene.rng.at("reconstruction", victim=victim)
    with stream.at("model").inside_torch(device):
        guess = attack.reconstruct(seen, stream)
    return checked_reconstruction(guess, seen, settings.batch, attack)


def _unnamed_order(count: int, scene: Scene) -> list[int]:
    """In which order an observer gets that many uploads without their senders' names."""
    order: list[int] = scene.rng.at("unnamed").numpy().permutation(count).tolist()
    return order


def _candidates(victim: int, batch: Examples, scene: Scene) -> Candidates:
    """The victim's examples among those that nobody holds, in an order that tells nothing."""
    parts = (batch, scene.strangers)
    inputs, targets = torch.cat([part.inputs for part in parts]), torch.cat([part.targets for part in parts])
    order = torch.from_numpy(scene.rng.at("candidates", victim=victim).numpy().permutation(len(targets)))
    return Candidates(Examples(inputs[order], targets[order]), order < len(batch))
