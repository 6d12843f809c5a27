"""Torch's answer to what the native loop computes: the same training with the same dropout."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from fflbench.contracts import Examples, Rng
from fflbench.execution import Execution
from fflbench.federation.loss import task_loss
from fflbench.federation.native import NativeModel
from fflbench.federation.network import Network
from fflbench.federation.trainer import Trainer

CPU = torch.device("cpu")
TORCH = Execution(engine="torch")


class Given(nn.Module):
    """Dropout whose factors are given, one tensor a call."""

    def __init__(self, factors: Iterator[Tensor]) -> None:
        super().__init__()
        self._factors = factors

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training:
            return inputs
        factors = next(self._factors)
        by_channel = factors.numel() < inputs.numel()
        return inputs * (factors[:, :, None, None] if by_channel else factors.view(inputs.shape))


def torch_update(model: nn.Module, examples: Examples, start: Tensor, rng: Rng, **settings: Any) -> Tensor:
    """The update [d] of torch's loop, with the dropout that the native loop draws from the same stream."""
    trainer = Trainer(Network(copy.deepcopy(model), CPU), execution=TORCH, **settings)
    _give_dropout(trainer.network.model, model, trainer, examples, rng)
    return trainer.train(examples, start, rng)


def exact_update(model: nn.Module, examples: Examples, start: Tensor, rng: Rng, **settings: Any) -> Tensor:
    """The same in float64: what is right, to which both loops come near."""
    trainer = Trainer(Network(copy.deepcopy(model), CPU), execution=TORCH, **settings)
    exact = copy.deepcopy(model).double().train()
    tensors = {**dict(exact.named_parameters()), **dict(exact.named_buffers())}
    for parameter, values in trainer.network.layout.split(start):
        tensors[parameter.name].data.copy_(values)
    _give_dropout(exact, model, trainer, examples, rng)
    common = {"lr": trainer.learning_rate, "weight_decay": trainer.weight_decay}
    steps: torch.optim.Optimizer = torch.optim.SGD(exact.parameters(), momentum=trainer.momentum, **common)
    if trainer.optimiser == "adam":
        steps = torch.optim.Adam(exact.parameters(), **common)
    for inputs, targets in trainer._batches(examples, rng):
        steps.zero_grad()
        task_loss(exact(inputs.double() if inputs.is_floating_point() else inputs), targets).backward()
        steps.step()
    layout = trainer.network.layout.parameters
    return torch.cat([tensors[parameter.name].detach().flatten() for parameter in layout]) - start


def _give_dropout(to: nn.Module, model: nn.Module, trainer: Trainer, examples: Examples, rng: Rng) -> None:
    """Replace the dropout of `to` by what the native loop draws for these batches."""
    size, used = trainer.sizes(len(examples))
    sizes = [min(size, used - begin) for _ in range(trainer.epochs) for begin in range(0, used, size)]
    shape = tuple(examples.inputs.shape[1:])
    masks = NativeModel(Network(copy.deepcopy(model), CPU), shape).masks(sizes, rng.at("model").entropy % 2**64)
    dropouts = [name for name, part in model.named_modules() if isinstance(part, nn.Dropout | nn.Dropout2d) and part.p > 0]
    for place, name in enumerate(dropouts):
        owner, _, leaf = name.rpartition(".")
        setattr(to.get_submodule(owner), leaf, Given(iter([batch[place] for batch in masks])))


def native_update(
    model: nn.Module, examples: Examples, start: Tensor, rng: Rng, flavour: str = "", **settings: Any
) -> Tensor:
    """The update [d] of the native loop with an instruction set."""
    network = Network(copy.deepcopy(model), CPU)
    network.programs[tuple(examples.inputs.shape[1:])] = NativeModel(network, tuple(examples.inputs.shape[1:]), flavour)
    return Trainer(network, **settings).train(examples, start, rng)


def start_of(model: nn.Module) -> Tensor:
    return Network(copy.deepcopy(model), CPU).flat.clone()


def texts_of(words: int, tokens: int, classes: int, count: int, seed: int = 0) -> Examples:
    generator = torch.Generator().manual_seed(seed)
    texts = torch.randint(0, words, (count, tokens), generator=generator)
    return Examples(texts, torch.randint(0, max(2, classes), (count,), generator=generator))


def examples_of(shape: tuple[int, ...], classes: int, count: int, seed: int = 0) -> Examples:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, *shape, generator=generator)
    return Examples(inputs, torch.randint(0, max(2, classes), (count,), generator=generator))
