"""Gradient descent on inputs with Adam, as the gradient-inversion papers run it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fflbench.contracts import Observation
from fflbench.keeper import Descent
from fflbench.optimisers import Adam
from fflbench.recorded import new_stream, recordable, recorded

WORTH = 50
"""Steps that are worth being recorded."""

LEAST = 1e-3
"""Of a cost: what counts as a step forward."""


def descend(
    variables: Sequence[Tensor],
    total: Callable[[], Tensor],
    steps: int,
    learning_rate: float,
    descent: Descent,
    signed: bool = False,
    decay: bool = True,
    after: Callable[[float], None] = lambda rate: None,
    generator: torch.Generator | None = None,
    patience: int | None = None,
    steady: bool = False,
) -> int:
    """Change `variables` in place to make `total()` small. `signed` follows the signs of the gradient; with `decay` the step
    size falls to a tenth at 3/8, 5/8 and 7/8 of the steps; `after(step size)` runs after every step (projections, noise
    drawn from `generator`). With `patience` it ends after that many steps in which `total()` fell by less than LEAST of
    itself. A `steady` step is the same work every time, whatever the step size, and is recorded on a GPU. Goes on where
    `descent` stands, and leaves it where it ends. Returns how many steps were made."""
    optimiser = _adam(variables, learning_rate)
    milestones = [steps * k // 8 for k in (3, 5, 7)] if decay else []
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, milestones, gamma=0.1)
    kept = _Standing(variables, optimiser, schedule, generator, _Plateau())
    made = kept.restore(descent.state)

    def move(value: Tensor) -> None:
        gradients = torch.autograd.grad(value, list(variables))
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.grad = gradient.sign() if signed else gradient
        optimiser.step()

    def whole() -> None:
        move(total())
        with torch.no_grad():
            after(math.nan)

    again = _recorded(whole, variables, optimiser) if steady and patience is None and steps - made >= WORTH else None
    for step in range(made, steps):
        if descent.due():
            descent.save(kept.at(step))
        if again is not None:
            again()
        else:
            value = total()
            if patience is not None and kept.plateau.lasts(step, float(value.detach())) >= patience:
                break
            move(value)
            with torch.no_grad():
                after(float(schedule.get_last_lr()[0]))
        schedule.step()
        made = step + 1
    descent.finish(kept.at(made))
    return made


def _adam(variables: Sequence[Tensor], learning_rate: float) -> Adam:
    """On a GPU with a step size and a count of steps that lie there."""
    if not variables[0].is_cuda:
        return Adam(list(variables), lr=learning_rate)
    rate = torch.tensor(learning_rate, device=variables[0].device)
    return Adam(list(variables), lr=rate, capturable=True)


def _recorded(
    work: Callable[[], None], variables: Sequence[Tensor], optimiser: torch.optim.Optimizer
) -> Callable[[], None] | None:
    """Steps of a descent recorded on a GPU; the descent stands where it stood. None on a CPU, and for work that asks the
    GPU for a number on its way."""
    if not variables[0].is_cuda:
        return None
    stood = [variable.detach().clone() for variable in variables]
    before = {id(variable): {k: v.clone() for k, v in optimiser.state[variable].items()} for variable in variables}
    again = recorded(work, new_stream(variables[0].device)) if recordable(work) else None
    with torch.no_grad():
        for variable, value in zip(variables, stood, strict=True):
            variable.copy_(value)
            for name, state in optimiser.state[variable].items():
                state.copy_(before[id(variable)].get(name, torch.zeros_like(state)))
    return again


@dataclass
class _Plateau:
    """The least cost so far, and the step that came to it."""

    best: float = math.inf
    since: int = 0

    def lasts(self, step: int, cost: float) -> int:
        """For how many steps the cost has not fallen, when it is this at a step."""
        if cost < self.best - LEAST * abs(self.best) or math.isinf(self.best):
            self.best, self.since = cost, step
        return step - self.since


@dataclass(frozen=True)
class _Standing:
    """Everything that decides how a descent goes on. Networks in training mode draw from torch's own generator."""

    variables: Sequence[Tensor]
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    generator: torch.Generator | None
    plateau: _Plateau

    def at(self, step: int) -> dict[str, Any]:
        return {
            "step": step,
            "variables": [variable.detach().clone() for variable in self.variables],
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "plateau": [self.plateau.best, float(self.plateau.since)],
            "generators": [generator.get_state() for generator in self._generators()],
        }

    def restore(self, state: dict[str, Any]) -> int:
        """Stand there again; returns how many steps were done."""
        if not state:
            return 0
        with torch.no_grad():
            for variable, value in zip(self.variables, state["variables"], strict=True):
                variable.copy_(value)
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.plateau.best, self.plateau.since = state["plateau"][0], int(state["plateau"][1])
        for generator, value in zip(self._generators(), state["generators"], strict=True):
            generator.set_state(value)
        return int(state["step"])

    def _generators(self) -> list[torch.Generator]:
        device = self.variables[0].device
        common = [torch.default_generator]
        if device.type == "cuda":
            common.append(torch.cuda.default_generators[device.index or 0])
        return common + ([self.generator] if self.generator is not None else [])


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
