"""The reconstruction track: one round as the server observes it, and what an attack makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from fflbench import registry
from fflbench.clock import Clock
from fflbench.composition import Defense, build_defense
from fflbench.contracts import Examples, Observation, Reconstruction, ReconstructionAttack, Round, Upload, Visibility
from fflbench.errors import UserError
from fflbench.execution import Execution
from fflbench.federation.checks import checked_reconstruction
from fflbench.federation.leakage import Candidates, Seen, Victim, measured
from fflbench.federation.network import Network
from fflbench.federation.sharing import passed_on, upload_bytes
from fflbench.federation.task import Task, load_task
from fflbench.federation.trainer import Trainer
from fflbench.keeper import Descents, Keeper
from fflbench.parameters import construct
from fflbench.records import Specification
from fflbench.rng import Rng
from fflbench.settings import ObservationSettings
from fflbench.state import Kept

Progress = Callable[[int, int], None]

STRANGERS = 50
"""Records of nobody among which a victim's are hidden, for membership inference."""


@dataclass(frozen=True)
class _Scene:
    """An observed round before it takes place: `batches[k]` are peer k's examples, `strangers` are nobody's."""

    task: Task
    settings: ObservationSettings
    defense: Defense
    rng: Rng
    batches: list[Examples]
    strangers: Examples


def observe(spec: Specification, execution: Execution, clock: Clock, progress: Progress, keeper: Keeper) -> Seen:
    """Let the peers of one round train and share, hand the server's view to the attack, and score what it returns. The
    guesses that `keeper` has kept are not made again."""
    settings = ObservationSettings.model_validate(spec.task.settings, strict=False)
    rng, task = Rng(spec.seed), load_task(spec.task)
    attack: ReconstructionAttack = construct(registry.load("attacks", spec.attack.name), spec.attack.parameters)
    with clock.phase("set-up"):
        scene = _Scene(task, settings, build_defense(spec.defense), rng, *_draw(task, settings, rng))
        model = prepared_model(task, scene.defense, rng)
        network = Network(attack.tamper(model, task.view, rng.at("tamper")), torch.device(execution.device))
    upload, start = _observed_round(network, scene, clock, execution)
    kept, guesses = Kept({"attack": attack, "clock": clock}), list[Reconstruction | None]()

    def state() -> dict[str, Any]:
        return {"kept": kept.save(), "guesses": [guess and vars(guess) for guess in guesses]}

    saved = keeper.load() or {}
    if saved:
        kept.restore(saved["kept"])
        guesses = [values and Reconstruction(**values) for values in saved["guesses"]]
    for index in range(len(guesses), settings.victims):
        descents = Descents(keeper, state, saved.pop("descents", ()))
        with clock.phase("reconstruction"):
            network.load(start)
            network.model.eval()
            guesses.append(_guess(index, attack, network, upload, scene, descents))
        progress(index + 1, settings.victims)
        if keeper.due() and index + 1 < settings.victims:
            keeper.save(state())
    victims = [_victim(index, guess, upload, scene) for index, guess in enumerate(guesses)]
    with clock.phase("evaluation"):
        seen = measured(task, victims, settings.labels_known, attack, rng)
    seen.sent = dict(upload.sent)
    seen.uploads = len(upload.peers)
    seen.notes |= {"steps": sum(v.guess.steps for v in victims if v.guess), "visibility": upload.visibility.name.lower()}
    return seen


def prepared_model(task: Task, defense: Defense, rng: Rng) -> nn.Module:
    """The network that everybody would train if the server were honest."""
    model = task.build_model(rng.at("initial-model"))
    for stage in defense.stages:
        model = stage.prepare_model(model, rng.at("prepare-model"))
    return model


def _draw(task: Task, settings: ObservationSettings, rng: Rng) -> tuple[list[Examples], Examples]:
    """Each peer's test examples, in data range, and some that nobody holds, if there are any left."""
    count, available = settings.peers * settings.batch, len(task.data.test)
    order = rng.at("victims").numpy().permutation(available).tolist()
    wanted = list(settings.images) or order[:count]
    if count > available or max(wanted) >= available:
        raise UserError(f"task {task.spec.label}: needs {max(count, max(wanted) + 1)} test examples, has {available}")
    taken = set(wanted)
    free = [index for index in order if index not in taken][:STRANGERS]
    index = torch.tensor(wanted).view(settings.peers, settings.batch)
    return [task.data.test[row] for row in index], task.data.test[torch.tensor(free, dtype=torch.long)]


def _observed_round(network: Network, scene: _Scene, clock: Clock, execution: Execution) -> tuple[Upload, Tensor]:
    settings, stages, start = scene.settings, scene.defense.stages, network.flat.clone()
    round_ = Round(
        index=0, total=1, peers=tuple(range(settings.peers)), global_vector=start, layout=network.layout,
        rng=scene.rng.at("round", round=0), task=scene.task.view,
        weights=dict.fromkeys(range(settings.peers), settings.batch),
    )  # fmt: skip
    # Attacks invert torch's gradients to the last digits.
    execution = replace(execution, engine="torch")
    plain = Trainer(network, epochs=settings.steps, batch_size=settings.batch, optimiser="sgd",
                    learning_rate=settings.learning_rate, training_mode=settings.training_mode,
                    execution=execution)  # fmt: skip
    upload = Upload(torch.empty(settings.peers, network.layout.size, device=start.device), round_.peers)
    with clock.phase("training"):
        for peer, batch in enumerate(scene.batches):
            trainer = plain
            for stage in stages:
                trainer = stage.local_training(trainer, peer, round_)
            stream = scene.rng.at("training", round=0, peer=peer)
            upload.rows[peer] = trainer.train(scene.task.prepared(batch, start.device), start, stream)
    with clock.phase("sharing"):
        for stage in stages:
            upload = passed_on(upload, stage, round_)
    return upload.with_sent("upload", upload_bytes(upload, round_)), start


def _victim(index: int, guess: Reconstruction | None, upload: Upload, scene: _Scene) -> Victim:
    batch = scene.batches[index]
    return Victim(batch, _labels(index, upload, scene), _candidates(index, batch, scene), guess)


def _labels(index: int, upload: Upload, scene: _Scene) -> Tensor:
    """The labels that a victim's update speaks of."""
    if upload.visibility is Visibility.SUM:
        return torch.cat([batch.targets for batch in scene.batches])
    return scene.batches[index].targets


def _guess(
    index: int, attack: ReconstructionAttack, network: Network, upload: Upload, scene: _Scene, descents: Descents
) -> Reconstruction | None:
    """What the attack makes of a victim's upload; None when that never reached the server."""
    settings, batch, device = scene.settings, scene.batches[index], upload.rows.device
    summed = upload.visibility is Visibility.SUM
    if not summed and index not in upload.peers:
        return None
    partner = next((k + j - index for k, j in upload.pairs if index in (k, j)), None)
    labels, records = _labels(index, upload, scene), _candidates(index, batch, scene).records
    seen = Observation(
        model=network.model,
        layout=network.layout,
        update=upload.rows[0 if summed else upload.peers.index(index)],
        upload=upload,
        task=scene.task.view,
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        examples=len(labels),
        labels=labels.to(device) if settings.labels_known else None,
        candidates=Examples(records.inputs.to(device), records.targets.to(device)),
        training_mode=settings.training_mode,
        partner=partner,
        partner_labels=scene.batches[partner].targets.to(device) if settings.labels_known and partner is not None else None,
        descents=descents,
    )
    stream = scene.rng.at("reconstruction", victim=index)
    with stream.at("model").inside_torch(device):
        guess = attack.reconstruct(seen, stream)
    return checked_reconstruction(guess, seen, settings.batch, attack)


def _candidates(index: int, batch: Examples, scene: _Scene) -> Candidates:
    """The victim's examples among those that nobody holds, in an order that tells nothing."""
    parts = (batch, scene.strangers)
    inputs, targets = torch.cat([part.inputs for part in parts]), torch.cat([part.targets for part in parts])
    order = torch.from_numpy(scene.rng.at("candidates", victim=index).numpy().permutation(len(targets)))
    return Candidates(Examples(inputs[order], targets[order]), order < len(batch))
