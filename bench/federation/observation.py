"""The reconstruction track: one round as the server observes it, and how much of the victims' data it gives away."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from fflbench import registry
from fflbench.clock import Clock
from fflbench.composition import Defense, build_defense
from fflbench.contracts import (
    Examples,
    Observation,
    Outcome,
    Reconstruction,
    ReconstructionAttack,
    Round,
    Upload,
    Visibility,
)
from fflbench.errors import UserError
from fflbench.federation.checks import checked_rows
from fflbench.federation.network import Network
from fflbench.federation.sharing import staged, upload_bytes
from fflbench.federation.task import Task, load_task
from fflbench.federation.trainer import Trainer
from fflbench.metrics.images import match, psnr, ssim
from fflbench.metrics.scoring import score
from fflbench.parameters import construct
from fflbench.records import Role, Specification
from fflbench.rng import Rng
from fflbench.settings import ObservationSettings

Progress = Callable[[int, int], None]


@dataclass
class Picture:
    """One image of a victim: index over all victims, original or reconstruction, as a PNG, with what it scores."""

    index: int
    role: Role
    png: bytes
    scores: dict[str, float] = field(default_factory=dict)


@dataclass
class Seen:
    """What came out of an observed round."""

    metrics: dict[str, float | None]
    references: dict[str, dict[str, float | None]]
    pictures: list[Picture]
    sent: dict[str, int]
    uploads: int
    notes: dict[str, object]


def observe(spec: Specification, device: torch.device, clock: Clock, progress: Progress) -> Seen:
    """Let the peers of one round train and share, hand the server's view to the attack, and score what it returns."""
    settings = ObservationSettings.model_validate(spec.task.settings, strict=False)
    rng, task = Rng(spec.seed), load_task(spec.task)
    attack: ReconstructionAttack = construct(registry.load("attacks", spec.attack.name), spec.attack.parameters)
    defense = build_defense(spec.defense)
    with clock.phase("set-up"):
        model = task.build_model(rng.at("initial-model"))
        for stage in defense.stages:
            model = stage.prepare_model(model, rng.at("prepare-model"))
        network = Network(attack.tamper(model, task.view, rng.at("tamper")), device)
        batches = _batches(task, settings, rng)
    upload, start = _observed_round(network, task, settings, batches, defense, rng, clock)
    with clock.phase("reconstruction"):
        network.load(start)
        network.model.eval()
        guesses = []
        for victim in range(settings.victims):
            guesses.append(_reconstruct(victim, attack, network, upload, task, settings, batches[victim], rng))
            progress(victim + 1, settings.victims)
    with clock.phase("evaluation"):
        seen = _score(task, batches[: settings.victims], guesses, settings.labels_known, rng)
    seen.sent = dict(upload.sent)
    seen.uploads = len(upload.peers)
    seen.notes |= {"steps": sum(g.steps for g in guesses if g), "visibility": upload.visibility.name.lower()}
    return seen


def _batches(task: Task, settings: ObservationSettings, rng: Rng) -> list[Examples]:
    """Each peer's test examples, in data range."""
    count, available = settings.peers * settings.batch, len(task.data.test)
    wanted = list(settings.images) or rng.at("victims").numpy().permutation(available)[:count].tolist()
    if count > available or max(wanted) >= available:
        raise UserError(f"task {task.spec.label}: needs {max(count, max(wanted) + 1)} test examples, has {available}")
    index = torch.tensor(wanted).view(settings.peers, settings.batch)
    return [task.data.test[row] for row in index]


def _observed_round(
    network: Network, task: Task, settings: ObservationSettings, batches: list[Examples], defense: Defense, rng: Rng,
    clock: Clock,
) -> tuple[Upload, Tensor]:  # fmt: skip
    start = network.flat.clone()
    round_ = Round(
        index=0, total=1, peers=tuple(range(settings.peers)), global_vector=start, layout=network.layout,
        rng=rng.at("round", round=0), task=task.view,
        weights=dict.fromkeys(range(settings.peers), settings.batch),
    )  # fmt: skip
    plain = Trainer(network, epochs=settings.steps, batch_size=settings.batch, optimiser="sgd",
                    learning_rate=settings.learning_rate, training_mode=False)  # fmt: skip
    updates = torch.empty(settings.peers, network.layout.size, device=start.device)
    with clock.phase("training"):
        for peer, batch in enumerate(batches):
            trainer = plain
            for stage in defense.stages:
                trainer = stage.local_training(trainer, peer, round_)
            stream = rng.at("training", round=0, peer=peer)
            updates[peer] = trainer.train(task.prepared(batch, start.device), start, stream)
    with clock.phase("sharing"):
        upload = staged(defense.stages, round_, updates)
    return upload.with_sent("upload", upload_bytes(upload, round_)), start


def _reconstruct(
    victim: int, attack: ReconstructionAttack, network: Network, upload: Upload, task: Task,
    settings: ObservationSettings, batch: Examples, rng: Rng,
) -> Reconstruction | None:  # fmt: skip
    """What the attack makes of one victim's upload; None when the victim's upload never reached the server."""
    if upload.visibility is not Visibility.SUM and victim not in upload.peers:
        return None
    row = 0 if upload.visibility is Visibility.SUM else upload.peers.index(victim)
    known = batch.targets.to(upload.rows.device) if settings.labels_known else None
    seen = Observation(
        model=network.model, layout=network.layout, update=upload.rows[row], upload=upload, task=task.view,
        steps=settings.steps, learning_rate=settings.learning_rate, examples=settings.batch, labels=known,
    )  # fmt: skip
    guess = attack.reconstruct(seen, rng.at("reconstruction", victim=victim))
    checked_rows(guess.inputs, tuple(batch.inputs.shape), attack, "reconstruct")
    labels = guess.labels
    if labels is not None and (labels.shape != batch.targets.shape or labels.is_floating_point()):
        raise UserError(f"{type(attack).__name__}.reconstruct: returned labels of shape {tuple(labels.shape)}, "
                        f"{labels.dtype}, needs whole numbers of shape {tuple(batch.targets.shape)}")  # fmt: skip
    return guess


def _score(task: Task, batches: list[Examples], guesses: list[Reconstruction | None], labels_known: bool, rng: Rng) -> Seen:
    """Mean scores over victims; beside them what grey and random pixels score on the same images. Labels that the server
    was told are not scored as recovered."""
    rows: dict[str, list[dict[str, float | None]]] = defaultdict(list)
    pictures: list[Picture] = []
    absent = 0
    for victim, (batch, guess) in enumerate(zip(batches, guesses, strict=True)):
        originals = batch.inputs
        grey = torch.full_like(originals, 0.5)
        noise = torch.randn(originals.shape, generator=rng.at("reference", victim=victim).torch())
        absent += guess is None
        images = grey if guess is None else guess.inputs.cpu().nan_to_num(0.5, 1.0, 0.0).clamp(0, 1)
        found = None if labels_known or guess is None else guess.labels
        labels = None if found is None else found.cpu()
        for name, candidate in _candidates(task, images, originals, noise):
            matched = candidate[match(originals, candidate)]
            known = (batch.targets, labels) if name == "attack" and labels is not None else (None, None)
            outcome = Outcome(originals=originals, guesses=matched, labels=known[0], guessed_labels=known[1])
            rows[name].append(score("reconstruction", outcome))
            if name == "attack":
                pictures += _pictures(originals, matched, len(pictures) // 2)
    means = {name: _mean_scores(values) for name, values in rows.items()}
    return Seen(means.pop("attack"), means, pictures, {}, 0, {"victims": len(batches), "absent victims": absent})


def _candidates(task: Task, images: Tensor, originals: Tensor, noise: Tensor) -> list[tuple[str, Tensor]]:
    """What is scored: the attack's images, grey, a random start, and the true images through the same pipeline."""
    fed = task.normalise(originals)
    return [
        ("attack", images),
        ("grey", torch.full_like(originals, 0.5)),
        ("random start", task.denormalise(noise)),
        ("true image", task.denormalise(fed)),
    ]


def _mean_scores(rows: list[dict[str, float | None]]) -> dict[str, float | None]:
    """Metric by metric the mean over victims that have it."""
    means: dict[str, float | None] = {}
    for name in rows[0]:
        values = [value for row in rows if (value := row[name]) is not None]
        means[name] = sum(values) / len(values) if values else None
    return means


def _pictures(originals: Tensor, guesses: Tensor, first: int) -> list[Picture]:
    quality, structure = psnr(originals, guesses), ssim(originals, guesses)
    found = []
    for i, (original, guess) in enumerate(zip(originals, guesses, strict=True)):
        scores = {"psnr": float(quality[i])} | ({} if structure is None else {"ssim": float(structure[i])})
        found.append(Picture(first + i, "original", _png(original)))
        found.append(Picture(first + i, "reconstruction", _png(guess), scores))
    return found


def _png(image: Tensor) -> bytes:
    """An image [c, h, w] in [0, 1], one or three channels, as a PNG file."""
    from PIL import Image

    pixels = (image.cpu().clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    pixels = pixels[0] if len(pixels) == 1 else np.moveaxis(pixels[:3], 0, -1)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
