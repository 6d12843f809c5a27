"""Soteria (Sun et al. 2021): hide the part of the representation from which the input is rebuilt most easily."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from fflbench.contracts import Round, Stage, TaskView, UnfitError

if TYPE_CHECKING:
    from fflbench.federation.trainer import Trainer


@dataclass
class Soteria(Stage):
    """In every local gradient the columns of the last linear layer's weight that belong to the `prune` share of its input
    features with the largest |r_i| / ||dr_i/dx||, summed over the batch, become 0."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2012.06043"
    assumes: ClassVar[str] = (
        "the observer needs the last linear layer; the layers below it still leak (Balunovic et al. 2022)"
    )
    cost: ClassVar[str] = "a backward pass a feature in every local step"
    workspace: ClassVar[float] = 0.0

    prune: Annotated[float, Field(gt=0, lt=1)] = 0.8

    def unfit(self, peers: int, task: TaskView) -> str | None:
        return "needs inputs that have a gradient, the task has texts" if task.kind == "text" else None

    def local_training(self, trainer: Trainer, peer: int, round: Round) -> Trainer:
        layer = last_linear(trainer.network.model, "soteria")
        name = next(name for name, p in trainer.network.model.named_parameters() if p is layer.weight)
        layout = trainer.network.layout

        def hide(model: nn.Module, inputs: Tensor, targets: Tensor, gradient: Tensor) -> None:
            scores = revealing(model, layer, inputs)
            hidden = scores.argsort(descending=True, stable=True)[: int(self.prune * len(scores))]
            layout.view(gradient, name)[:, hidden] = 0

        return trainer.with_gradient(hide)


def last_linear(model: nn.Module, who: str) -> nn.Linear:
    """The linear layer registered last. Raises `UnfitError` for a network without one."""
    found = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not found:
        raise UnfitError(f"{who}: needs a network with a linear layer, {type(model).__name__} has none")
    return found[-1]


def revealing(model: nn.Module, layer: nn.Linear, inputs: Tensor, block: int = 64) -> Tensor:
    """For each input feature [features] of the layer |r_i| / ||dr_i/dx||, summed over the batch; 0 if nothing moves it."""
    kept: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda module, given: kept.append(given[0]))
    free = inputs.detach().requires_grad_()
    with torch.random.fork_rng(devices=[], enabled=True):
        model(free)
    handle.remove()
    features = kept[0]
    count = features.shape[1]
    moved = torch.empty(len(inputs), count, device=inputs.device)
    for begin in range(0, count, block):
        chosen = torch.arange(begin, min(begin + block, count), device=inputs.device)
        picks = torch.zeros(len(chosen), *features.shape, device=inputs.device)
        picks[torch.arange(len(chosen)), :, chosen] = 1
        (slopes,) = torch.autograd.grad(features, free, picks, is_grads_batched=True, retain_graph=True)
        moved[:, chosen] = slopes.flatten(2).norm(dim=2).T
    ratio = torch.where(moved > 0, features.detach().abs() / moved, torch.zeros_like(moved))
    return ratio.sum(0)
