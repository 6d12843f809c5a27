"""Inverting Gradients (Geiping et al. 2020): find images whose gradient points where the victim's does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call

from fflbench.attacks.reconstruction.labels import infer_labels
from fflbench.contracts import Observation, Reconstruction, ReconstructionAttack, Rng, Server
from fflbench.federation.loss import task_loss

Cost = Callable[[Tensor], Tensor]


@dataclass
class InvertingGradients(ReconstructionAttack):
    """Adam on the sign of the gradient of 1 - cosine(simulated update, seen update) + total variation.

    A victim that took several local steps is simulated with all of them. The step size falls to a tenth at 3/8, 5/8 and
    7/8 of the `steps`; `boxed` keeps pixels in [0, 1]; of several `restarts` the one with the least cost counts. Labels that
    the server does not know are inferred from the output layer first.
    """

    server: ClassVar[Server] = Server.HONEST_BUT_CURIOUS
    paper: ClassVar[str] = "https://arxiv.org/abs/2003.14053"

    steps: Annotated[int, Field(ge=1)] = 4800
    learning_rate: Annotated[float, Field(gt=0)] = 0.1
    total_variation: Annotated[float, Field(ge=0)] = 1e-6
    restarts: Annotated[int, Field(ge=1)] = 1
    signed: bool = True
    boxed: bool = True
    decay: bool = True

    def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
        labels = seen.labels if seen.labels is not None else infer_labels(seen, rng.at("labels"))
        cost = _matching_cost(seen, labels)
        shape = (seen.examples, *seen.task.input_shape)
        best: tuple[float, Tensor] | None = None
        for restart in range(self.restarts):
            generator = rng.at("start", restart=restart).torch(seen.update.device)
            start = torch.randn(shape, generator=generator, device=seen.update.device)
            value, found = self._descend(start, cost, seen)
            if best is None or value < best[0] or math.isnan(best[0]):
                best = value, found
        assert best is not None
        images = seen.task.denormalise(best[1]).clamp(0, 1)
        return Reconstruction(images, labels, best[0], self.steps * self.restarts)

    def _descend(self, start: Tensor, cost: Cost, seen: Observation) -> tuple[float, Tensor]:
        """One run from a random start: the final cost and the images as the model is fed them."""
        images = start.requires_grad_()
        low, high = seen.task.normalise(torch.zeros_like(start)), seen.task.normalise(torch.ones_like(start))
        optimiser = torch.optim.Adam([images], lr=self.learning_rate)
        milestones = [self.steps * k // 8 for k in (3, 5, 7)] if self.decay else []
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, milestones, gamma=0.1)
        for _ in range(self.steps):
            total = cost(images) + self.total_variation * total_variation(images)
            gradient = torch.autograd.grad(total, images)[0]
            images.grad = gradient.sign() if self.signed else gradient
            optimiser.step()
            schedule.step()
            if self.boxed:
                with torch.no_grad():
                    images.copy_(torch.maximum(torch.minimum(images, high), low))
        return float(cost(images).detach()), images.detach()


def total_variation(images: Tensor) -> Tensor:
    """Mean absolute difference between neighbours, down plus across, of images [n, c, h, w]."""
    down = (images[:, :, 1:] - images[:, :, :-1]).abs().mean()
    across = (images[:, :, :, 1:] - images[:, :, :, :-1]).abs().mean()
    return down + across


def _matching_cost(seen: Observation, labels: Tensor) -> Cost:
    """1 - cosine between what a victim with these images would have sent and what was seen; 1 when nothing was seen."""
    trained = seen.layout.trainable
    target = -torch.nan_to_num(seen.update[trained], posinf=0.0, neginf=0.0)
    norm = target.norm()
    target = target / norm if norm > 0 else target

    def cost(images: Tensor) -> Tensor:
        simulated = _simulate(seen.model, images, labels, seen.steps, seen.learning_rate)
        similarity: Tensor = simulated @ target / simulated.norm().clamp(min=1e-12)
        return 1 - similarity

    return cost


def _simulate(model: nn.Module, images: Tensor, labels: Tensor, steps: int, rate: float) -> Tensor:
    """The direction [trainable] of the descent that a victim with these images takes, differentiable in the images."""
    names = [name for name, p in model.named_parameters() if p.requires_grad]
    start: list[Tensor] = [p for p in model.parameters() if p.requires_grad]
    if steps == 1:
        gradients = torch.autograd.grad(task_loss(model(images), labels), start, create_graph=True)
        return torch.cat([g.flatten() for g in gradients])
    current = list(start)
    for _ in range(steps):
        outputs = functional_call(model, dict(zip(names, current, strict=True)), images)
        gradients = torch.autograd.grad(task_loss(outputs, labels), current, create_graph=True)
        current = [p - rate * g for p, g in zip(current, gradients, strict=True)]
    return torch.cat([((s - p) / rate).flatten() for s, p in zip(start, current, strict=True)])
