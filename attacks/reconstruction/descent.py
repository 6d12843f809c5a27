"""Gradient descent on inputs with Adam, as the gradient-inversion papers run it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from fflbench.contracts import Observation


def descend(
    variables: Sequence[Tensor],
    total: Callable[[], Tensor],
    steps: int,
    learning_rate: float,
    signed: bool = False,
    decay: bool = True,
    after: Callable[[float], None] = lambda rate: None,
) -> None:
    """Change `variables` in place to make `total()` small. `signed` follows the signs of the gradient; with `decay` the step
    size falls to a tenth at 3/8, 5/8 and 7/8 of the steps; `after(step size)` runs after every step (projections, noise)."""
    optimiser = torch.optim.Adam(list(variables), lr=learning_rate)
    milestones = [steps * k // 8 for k in (3, 5, 7)] if decay else []
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, milestones, gamma=0.1)
    for _ in range(steps):
        gradients = torch.autograd.grad(total(), list(variables))
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.grad = gradient.sign() if signed else gradient
        optimiser.step()
        with torch.no_grad():
            after(float(schedule.get_last_lr()[0]))
        schedule.step()


def boxed(images: Tensor, seen: Observation) -> Callable[[float], None]:
    """Puts images [n, c, h, w], as the model is fed them, back into the data range."""
    low = seen.task.normalise(torch.zeros_like(images))
    high = seen.task.normalise(torch.ones_like(images))

    def project(rate: float) -> None:
        images.copy_(torch.maximum(torch.minimum(images, high), low))

    return project


def total_variation(images: Tensor) -> Tensor:
    """Mean absolute difference between neighbours, down plus across, of images [n, c, h, w]."""
    down = (images[:, :, 1:] - images[:, :, :-1]).abs().mean()
    across = (images[:, :, :, 1:] - images[:, :, :, :-1]).abs().mean()
    return down + across
