"""Deep Leakage from Gradients (Zhu et al. 2019): images and labels whose gradient equals the victim's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from fflbench.attacks.reconstruction.labels import last_tensor
from fflbench.attacks.reconstruction.simulation import as_trained, squared_cost
from fflbench.contracts import Observation, Reconstruction, ReconstructionAttack, Rng
from fflbench.duration import Duration
from fflbench.optimisers import LBFGS


@dataclass
class DeepLeakage(ReconstructionAttack):
    """L-BFGS on the squared distance of simulated and seen gradient, over images and, where the server does not know the
    labels, a soft label for each image. A step is up to 20 iterations, as in the authors' code. A run ends early when it
    makes no more progress; of several `restarts` the one with the least cost counts."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1906.08935"
    assumes: ClassVar[str] = "a twice differentiable network (sigmoid, not ReLU), few images, a lucky start"
    cost: ClassVar[str] = "steps x restarts x 20 x two backward passes"

    steps: Annotated[Duration, Field(ge=1)] = 300
    learning_rate: Annotated[float, Field(gt=0)] = 1.0
    restarts: Annotated[int, Field(ge=1)] = 1

    def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
        return self.searched(seen, seen.labels, rng)

    def searched(self, seen: Observation, labels: Tensor | None, rng: Rng) -> Reconstruction:
        """The best of all restarts, with these labels if any."""
        with as_trained(seen):
            runs = [self._descend(seen, labels, rng.at("start", restart=k)) for k in range(self.restarts)]
        best = min(runs, key=lambda run: math.inf if run.cost is None or math.isnan(run.cost) else run.cost)
        return Reconstruction(best.inputs, best.labels, best.cost, sum(run.steps for run in runs))

    def _descend(self, seen: Observation, labels: Tensor | None, rng: Rng) -> Reconstruction:
        """One run: the best images that it saw on its way."""
        generator, device = rng.torch(seen.update.device), seen.update.device
        images = torch.randn((seen.examples, *seen.task.input_shape), generator=generator, device=device)
        logits = torch.randn((seen.examples, len(seen.task.classes)), generator=generator, device=device)
        free = [images.requires_grad_()] if labels is not None else [images.requires_grad_(), logits.requires_grad_()]
        optimiser = LBFGS(free, lr=self.learning_rate, max_iter=20, history_size=100)
        cost, best = squared_cost(seen), (math.inf, images.detach().clone(), logits.detach().clone())

        def closure() -> Tensor:
            nonlocal best
            value = cost(images, soft(logits, seen) if labels is None else labels)
            gradients = torch.autograd.grad(value, free)
            for variable, gradient in zip(free, gradients, strict=True):
                variable.grad = gradient
            reached = float(value.detach())
            if reached < best[0]:
                best = reached, images.detach().clone(), logits.detach().clone()
            return value.detach()

        done = 0
        while done < self.steps:
            before, done = best[0], done + 1
            optimiser.step(closure)
            if not best[0] < before:
                break
        found = seen.task.denormalise(best[1]).clamp(0, 1)
        return Reconstruction(found, best[2].argmax(1) if labels is None else labels, best[0], done)


def soft(logits: Tensor, seen: Observation) -> Tensor:
    """Soft labels [n, classes] as probabilities, each image its own; [n] for a network with one logit."""
    probabilities = logits.softmax(1)
    return probabilities[:, 1] if last_tensor(seen).shape == (1,) else probabilities
