"""How much of the victims' data an observer got out of a round: its guesses against the truth, and against guesses of
somebody who saw nothing."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from fflbench.contracts import DataKind, Examples, Outcome, Reconstruction, ReconstructionAttack
from fflbench.federation.task import Task
from fflbench.metrics.images import match, psnr, ssim
from fflbench.metrics.scoring import score
from fflbench.metrics.tables import match_rows
from fflbench.metrics.texts import match_texts
from fflbench.records import Role
from fflbench.rng import Rng


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


@dataclass(frozen=True)
class Candidates:
    """Records of which the observer is asked whose they are, and which of them are the victim's."""

    records: Examples
    members: Tensor


@dataclass(frozen=True)
class Victim:
    """A victim's examples in data range, the labels that its update speaks of (under a sum everybody's), the candidates for
    membership, and what the attack guessed: None when the victim's upload never reached the server. Of `unnamed` uploads the
    victim's is in place `linked`."""

    batch: Examples
    labels: Tensor
    candidates: Candidates
    guess: Reconstruction | None
    linked: int = 0
    unnamed: int = 1


def measured(task: Task, victims: list[Victim], labels_known: bool, attack: ReconstructionAttack, rng: Rng) -> Seen:
    """Mean scores over victims; beside them what guesses that know nothing score on the same examples. Labels that the
    server was told are not scored as recovered. A victim that was not seen counts as guessed blindly."""
    rows: dict[str, list[dict[str, float | None]]] = defaultdict(list)
    pictures: list[Picture] = []
    for index, victim in enumerate(victims):
        rows["attack"].append({})
        if attack.guesses == "membership":
            rows["attack"][-1] = score("reconstruction", _membership(victim))
            continue
        if attack.guesses == "links":
            rows["attack"][-1] = score("reconstruction", _linkage(victim, victim.guess.links if victim.guess else None))
            rows["by chance"].append(score("reconstruction", _linkage(victim, None)))
            continue
        blind = _references(task, victim.batch.inputs, rng.at("reference", victim=index))
        inputs = victim.guess.inputs if victim.guess else None
        guessed = next(iter(blind.values())) if inputs is None else _in_range(inputs.cpu(), task.view.kind)
        for name, guess in {"attack": guessed, **blind}.items():
            outcome = _matched(task, victim.batch.inputs, guess)
            if name == "attack":
                pictures += _pictures(outcome, len(pictures) // 2) if task.view.kind == "image" else []
                rows[name][-1] = score("reconstruction", _with_labels(outcome, victim, labels_known))
            else:
                rows[name].append(score("reconstruction", outcome))
    means = {name: _mean_scores(values) for name, values in rows.items()}
    absent = sum(victim.guess is None for victim in victims)
    return Seen(means.pop("attack"), means, pictures, {}, 0, {"victims": len(victims), "absent victims": absent})


def _references(task: Task, originals: Tensor, rng: Rng) -> dict[str, Tensor]:
    """Guesses [n, ...] of somebody who saw nothing; for images also the true ones through the same pipeline."""
    if task.view.kind == "text":
        words = torch.arange(originals.shape[1]) % max(1, task.view.vocabulary - 2) + 2
        drawn = torch.randint(2, max(3, task.view.vocabulary), originals.shape, generator=rng.torch())
        return {"frequent words": words.expand_as(originals), "random start": drawn}
    noise = torch.randn(originals.shape, generator=rng.torch())
    if task.view.kind == "tabular":
        average = task.data.train.inputs.mean(0)
        return {"average row": average.expand_as(originals), "random start": average + noise * task.data.train.inputs.std(0)}
    return {
        "grey": torch.full_like(originals, 0.5),
        "random start": task.denormalise(noise),
        "true image": task.denormalise(task.normalise(originals)),
    }


def _in_range(guess: Tensor, kind: DataKind) -> Tensor:
    if kind == "image":
        return guess.nan_to_num(0.5, 1.0, 0.0).clamp(0, 1)
    return guess.nan_to_num(0.0) if kind == "tabular" else guess


def _matched(task: Task, originals: Tensor, guess: Tensor) -> Outcome:
    """Guesses in the order of the originals that they fit best; of more guesses than originals, those that fit."""
    spread = task.data.train.inputs.std(0) if task.view.kind == "tabular" else None
    if task.view.kind == "image":
        order = match(originals, guess)
    elif task.view.kind == "tabular":
        order = match_rows(originals, guess, task.view.levels, spread)
    else:
        order = match_texts(originals, guess)
    return Outcome(kind=task.view.kind, originals=originals, guesses=guess[order], levels=task.view.levels, spread=spread)


def _with_labels(outcome: Outcome, victim: Victim, labels_known: bool) -> Outcome:
    found = None if labels_known or victim.guess is None else victim.guess.labels
    if found is None:
        return outcome
    return Outcome(**{**vars(outcome), "labels": victim.labels, "guessed_labels": found.cpu()})


def _membership(victim: Victim) -> Outcome:
    members = victim.candidates.members
    found = victim.guess.membership if victim.guess else None
    return Outcome(membership=torch.zeros(len(members)) if found is None else found.cpu(), members=members)


def _linkage(victim: Victim, links: Tensor | None) -> Outcome:
    return Outcome(links=torch.zeros(victim.unnamed) if links is None else links.cpu(), linked=victim.linked)


def _mean_scores(rows: list[dict[str, float | None]]) -> dict[str, float | None]:
    """Metric by metric the mean over victims that have it."""
    means: dict[str, float | None] = {}
    for name in rows[0]:
        values = [value for row in rows if (value := row[name]) is not None]
        means[name] = sum(values) / len(values) if values else None
    return means


def _pictures(outcome: Outcome, first: int) -> list[Picture]:
    originals, guesses = outcome.originals, outcome.guesses
    assert originals is not None
    assert guesses is not None
    measures: dict[str, Callable[[Tensor, Tensor], Tensor | None]] = {"psnr": psnr, "ssim": ssim}
    values = {name: found for name, measure in measures.items() if (found := measure(originals, guesses)) is not None}
    pictures = []
    for i, (original, guess) in enumerate(zip(originals, guesses, strict=True)):
        scores = {name: float(value[i]) for name, value in values.items()}
        pictures.append(Picture(first + i, "original", _png(original)))
        pictures.append(Picture(first + i, "reconstruction", _png(guess), scores))
    return pictures


def _png(image: Tensor) -> bytes:
    """An image [c, h, w] in [0, 1], one or three channels, as a PNG file."""
    from PIL import Image

    pixels = (image.cpu().clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    pixels = pixels[0] if len(pixels) == 1 else np.moveaxis(pixels[:3], 0, -1)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
