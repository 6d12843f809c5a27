"""Inverting Gradients (Geiping et al. 2020): find images whose gradient points where the victim's does."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from fflbench.attacks.reconstruction.descent import boxed, descend, total_variation
from fflbench.attacks.reconstruction.labels import labels_of
from fflbench.attacks.reconstruction.restarts import grouped, side_by_side
from fflbench.attacks.reconstruction.simulation import Cost, as_trained, cosine_cost
from fflbench.contracts import Observation, Reconstruction, ReconstructionAttack, Rng, Server
from fflbench.duration import Duration


@dataclass
class InvertingGradients(ReconstructionAttack):
    """Adam on the sign of the gradient of 1 - cosine(simulated update, seen update) + total variation.

    A victim that took several local steps is simulated with all of them, or, which costs less, with the first
    `simulated_steps` of them: while steps are small, all point where the first does. The step size falls to a tenth at 3/8,
    5/8 and 7/8 of the `steps`; `boxed` keeps pixels in [0, 1]; of several `restarts` the one with the least cost counts;
    with `patience` a run ends after that many steps that lowered its cost by less than a thousandth. Labels that the server
    does not know are inferred from the output layer first.
    """

    server: ClassVar[Server] = Server.HONEST_BUT_CURIOUS
    paper: ClassVar[str] = "https://arxiv.org/abs/2003.14053"
    assumes: ClassVar[str] = "few images an update, few local steps; the update is a peer's own"
    cost: ClassVar[str] = "steps x restarts x two backward passes a simulated local step"

    steps: Annotated[Duration, Field(ge=1)] = 4800
    learning_rate: Annotated[float, Field(gt=0)] = 0.1
    total_variation: Annotated[float, Field(ge=0)] = 1e-6
    restarts: Annotated[int, Field(ge=1)] = 1
    patience: Annotated[Duration, Field(ge=1)] | None = None
    simulated_steps: Annotated[int, Field(ge=1)] | None = None
    signed: bool = True
    boxed: bool = True
    decay: bool = True

    def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
        labels = labels_of(seen, rng)
        return self.inverted(seen, labels, cosine_cost(self.shorter(seen)), rng)

    def shorter(self, seen: Observation) -> Observation:
        """The victim with as many local steps as are simulated. A cosine does not mind that it moved further."""
        return replace(seen, steps=min(seen.steps, self.simulated_steps or seen.steps))

    def inverted(self, seen: Observation, labels: Tensor, cost: Cost, rng: Rng) -> Reconstruction:
        """One image for each of these labels, by this cost."""
        best: tuple[float, Tensor] | None = None
        made = 0
        with as_trained(seen):
            starts = self._starts(len(labels), seen, rng)
            for group in grouped(starts, lambda images: cost(images, labels), seen):
                costs, found, steps = self._descend(group, labels, cost, seen)
                made += steps * len(group)
                for value, images in zip(costs, found, strict=True):
                    if best is None or value < best[0] or math.isnan(best[0]):
                        best = value, images
        assert best is not None
        images = seen.task.denormalise(best[1]).clamp(0, 1)
        return Reconstruction(images, labels, best[0], made)

    def _starts(self, count: int, seen: Observation, rng: Rng) -> Tensor:
        """Where the restarts begin [restarts, n, c, h, w]."""
        shape, device = (count, *seen.task.input_shape), seen.update.device
        streams = [rng.at("start", restart=restart).torch(device) for restart in range(self.restarts)]
        return torch.stack([torch.randn(shape, generator=stream, device=device) for stream in streams])

    def _descend(self, starts: Tensor, labels: Tensor, cost: Cost, seen: Observation) -> tuple[list[float], Tensor, int]:
        """One run from each of these starts [r, n, c, h, w]: the final costs, the images as the model is fed them, and how
        many steps each made."""
        images = starts.clone().requires_grad_()
        matched = side_by_side(lambda image: cost(image, labels))
        whole = side_by_side(lambda image: cost(image, labels) + self.total_variation * total_variation(image))
        project = boxed(images, seen) if self.boxed else lambda rate: None
        steps = descend([images], lambda: whole(images).sum(), self.steps, self.learning_rate, seen.descents.begin(),
                        self.signed, self.decay, project, patience=self.patience, steady=True)  # fmt: skip
        return matched(images).detach().tolist(), images.detach(), steps
