"""The reconstruction track: one round as the server observes it, and what an attack makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fflbench import registry
from fflbench.clock import Clock
from fflbench.composition import Defense, build_defense
from fflbench.contracts import Examples, Observation, ReconstructionAttack, Round, Upload, Visibility
from fflbench.errors import UserError
from fflbench.federation.checks import checked_reconstruction
from fflbench.federation.leakage import Candidates, Seen, Victim, measured
from fflbench.federation.network import Network
from fflbench.federation.sharing import passed_on, upload_bytes
from fflbench.federation.task import Task, load_task
from fflbench.federation.trainer import Trainer
from fflbench.parameters import construct
from fflbench.records import Specification
from fflbench.rng import Rng
from fflbench.settings import ObservationSettings

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


def observe(spec: Specification, device: torch.device, clock: Clock, progress: Progress) -> Seen:
    """Let the peers of one round train and share, hand the server's view to the attack, and score what it returns."""
    settings = ObservationSettings.model_validate(spec.task.settings, strict=False)
    rng, task = Rng(spec.seed), load_task(spec.task)
    attack: ReconstructionAttack = construct(registry.load("attacks", spec.attack.name), spec.attack.parameters)
    with clock.phase("set-up"):
        scene = _Scene(task, settings, build_defense(spec.defense), rng, *_draw(task, settings, rng))
        model = prepared_model(task, scene.defense, rng)
        network = Network(attack.tamper(model, task.view, rng.at("tamper")), device)
    upload, start = _observed_round(network, scene, clock)
    with clock.phase("reconstruction"):
        victims = []
        for index in range(settings.victims):
            network.load(start)
            network.model.eval()
            victims.append(_attacked(index, attack, network, upload, scene))
            progress(index + 1, settings.victims)
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


def _observed_round(network: Network, scene: _Scene, clock: Clock) -> tuple[Upload, Tensor]:
    settings, stages, start = scene.settings, scene.defense.stages, network.flat.clone()
    round_ = Round(
        index=0, total=1, peers=tuple(range(settings.peers)), global_vector=start, layout=network.layout,
        rng=scene.rng.at("round", round=0), task=scene.task.view,
        weights=dict.fromkeys(range(settings.peers), settings.batch),
    )  # fmt: skip
    plain = Trainer(network, epochs=settings.steps, batch_size=settings.batch, optimiser="sgd",
                    learning_rate=settings.learning_rate, training_mode=settings.training_mode)  # fmt: skip
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


def _attacked(index: int, attack: ReconstructionAttack, network: Network, upload: Upload, scene: _Scene) -> Victim:
    """One victim and what the attack makes of its upload: nothing when the upload never reached the server."""
    settings, batch, device = scene.settings, scene.batches[index], upload.rows.device
    summed = upload.visibility is Visibility.SUM
    labels = torch.cat([b.targets for b in scene.batches]) if summed else batch.targets
    candidates = _candidates(index, batch, scene)
    if not summed and index not in upload.peers:
        return Victim(batch, labels, candidates, None)
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
        candidates=Examples(candidates.records.inputs.to(device), candidates.records.targets.to(device)),
        training_mode=settings.training_mode,
    )
    stream = scene.rng.at("reconstruction", victim=index)
    with stream.at("model").inside_torch(device):
        guess = attack.reconstruct(seen, stream)
    return Victim(batch, labels, candidates, checked_reconstruction(guess, seen, settings.batch, attack))


def _candidates(index: int, batch: Examples, scene: _Scene) -> Candidates:
    """The victim's examples among those that nobody holds, in an order that tells nothing."""
    parts = (batch, scene.strangers)
    inputs, targets = torch.cat([part.inputs for part in parts]), torch.cat([part.targets for part in parts])
    order = torch.from_numpy(scene.rng.at("candidates", victim=index).numpy().permutation(len(targets)))
    return Candidates(Examples(inputs[order], targets[order]), order < len(batch))
