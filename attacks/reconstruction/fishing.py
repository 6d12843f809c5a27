"""Fishing for user data (Wen et al. 2022): a malicious server makes one class drown out the others in a batch's gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from fflbench.attacks.reconstruction.inverting_gradients import InvertingGradients
from fflbench.attacks.reconstruction.labels import whole_counts
from fflbench.attacks.reconstruction.simulation import cosine_cost
from fflbench.contracts import Observation, Reconstruction, Rng, Server, TaskView, UnfitError

CERTAIN = 20.0
"""Logit by which every other class is preferred to the target."""


@dataclass
class Fishing(InvertingGradients):
    """In the output layer that the server sends only the class `target` has weights, and biases make it improbable: the
    gradient of a batch, but for the other classes' rows of that layer, is that of its `target` examples, which are then
    inverted as by Inverting Gradients. The bias gradient counts them. All others stay grey.

    The paper's second step, which tells several examples of the class apart by a feature over several rounds, is left out.
    """

    server: ClassVar[Server] = Server.MALICIOUS
    paper: ClassVar[str] = "https://arxiv.org/abs/2202.00580"
    assumes: ClassVar[str] = "peers train whatever network they are sent; one or few examples of the class in a batch"
    cost: ClassVar[str] = "as Inverting Gradients"

    target: Annotated[int, Field(ge=0)] | str = 0

    def unfit(self, task: TaskView) -> str | None:
        task.class_index(self.target, "target")
        return super().unfit(task)

    def unfit_model(self, model: nn.Module, task: TaskView) -> str | None:
        head = output_layer(model)
        if head is None or head.out_features != len(task.classes) or head.bias is None:
            return f"Fishing needs a linear output layer with a bias and one output a class, {type(model).__name__} has none"
        return None

    def tamper(self, model: nn.Module, task: TaskView, rng: Rng) -> nn.Module:
        head, target = output_layer(model), task.class_index(self.target, "target")
        if head is None:
            raise UnfitError(self.unfit_model(model, task) or "fishing: the network does not fit")
        others = torch.arange(len(task.classes)) != target
        with torch.no_grad():
            head.weight[others] = 0
            head.bias[others] = CERTAIN
            head.bias[target] = 0
        return model

    def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
        target = seen.task.class_index(self.target, "target")
        biases = seen.gradient[seen.layout.last_layer][-len(seen.task.classes) :].nan_to_num(0.0, 0.0, 0.0)
        labels = whole_counts(seen.examples * (others_share(seen, target) - biases), seen.examples)
        caught = labels[labels == target]
        grey = torch.full((seen.examples, *seen.task.input_shape), 0.5, device=seen.update.device)
        if len(caught) == 0:
            return Reconstruction(grey, labels)
        found = self.inverted(seen, caught, cosine_cost(self.shorter(seen), without_others(seen, target)), rng)
        assert found.inputs is not None
        return Reconstruction(torch.cat([found.inputs, grey[len(caught) :]]), labels, found.cost, found.steps)


def output_layer(model: nn.Module) -> nn.Linear | None:
    """The module registered last, if it is linear."""
    last = [module for module in model.modules() if not list(module.children())][-1]
    return last if isinstance(last, nn.Linear) else None


def others_share(seen: Observation, target: int) -> Tensor:
    """What the tampered network predicts [classes] for anything: all classes but the target alike."""
    classes = len(seen.task.classes)
    shares = torch.full((classes,), 1 / (classes - 1), device=seen.update.device)
    shares[target] = 0
    return shares


def without_others(seen: Observation, target: int) -> Tensor:
    """Which entries [trainable] are not other classes' rows of the output layer."""
    kept = torch.ones(seen.layout.trainable.stop, dtype=torch.bool, device=seen.update.device)
    kept[seen.layout.last_layer] = False
    kept[seen.layout.last_weight].view(len(seen.task.classes), -1)[target] = True
    kept[seen.layout.trainable.stop - len(seen.task.classes) + target] = True
    return kept
