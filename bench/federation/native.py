"""A network that the native loop (`bench/native`) trains and evaluates."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fflbench import extension
from fflbench.contracts import Examples
from fflbench.execution import Execution
from fflbench.extension import FLAVOURS
from fflbench.federation.network import Network
from fflbench.federation.steps import Shape, Step, UntranslatableError
from fflbench.federation.tracing import hooks_of, translate

if TYPE_CHECKING:
    from fflbench._native import Optimiser


class NativeModel:
    """A network's model as a native program for inputs [n, *shape]. Works on `network.flat`, one thread, one call at a time.
    Raises `UntranslatableError` for a model that is not a straight line of known layers."""

    def __init__(self, network: Network, shape: Shape, flavour: str = "") -> None:
        self._network = network
        steps = translate(network.model, network.layout, shape)
        channels, height, width = shape if len(shape) == 3 else (math.prod(shape), 1, 1)
        self._program = extension.native.Program(
            [layer_of(step) for step in steps],
            (channels, height, width),
            network.layout.size,
            network.layout.trainable.stop,
            flavour or FLAVOURS[0],
        )
        self._hooks = hooks_of(network.model)
        self._prove(steps, shape)

    @property
    def flavour(self) -> str:
        return self._program.flavour

    @property
    def watched(self) -> bool:
        """Whether somebody has put hooks on the model since, which the native loop would not call."""
        return any(self._hooks)

    def accepts(self, targets: Tensor) -> bool:
        """Whether every target is a class; what torch makes of others is left to torch."""
        return _places_below(max(2, self._program.outputs), targets)

    def reads(self, inputs: Tensor) -> bool:
        """Whether these are inputs of its kind: tokens of its vocabulary, or numbers."""
        words = self._program.vocabulary
        return _places_below(words, inputs) if words else inputs.dtype == torch.float32

    def train(self, examples: Examples, orders: NDArray[np.int64], batch: int, optimiser: Optimiser, seed: int) -> None:
        """Train `network.flat` in place on `examples[orders[epoch]]`, `batch` at a time."""
        flat, targets = self._network.flat.numpy(), examples.targets.contiguous().numpy()
        self._program.train(flat, _rows(examples.inputs), targets, orders, batch, optimiser, seed)

    def forward(self, inputs: Tensor) -> Tensor:
        """The outputs [n, ...] of `network.flat` in evaluation mode."""
        return torch.from_numpy(self._program.evaluate(self._network.flat.numpy(), _rows(inputs)))

    def masks(self, sizes: list[int], seed: int) -> list[list[Tensor]]:
        """The factors [n, features or channels] of every dropout that `train` draws with that seed for batches of these
        sizes: by batch, then in the order of the layers."""
        return [[torch.from_numpy(mask) for mask in batch] for batch in self._program.masks(sizes, seed)]

    def _prove(self, steps: list[Step], shape: Shape) -> None:
        """Compare with the model itself, on parameters and inputs drawn for it."""
        network, generator = self._network, torch.Generator().manual_seed(0)
        kept, training = network.flat.clone(), network.model.training
        network.flat.copy_(torch.randn(network.layout.size, generator=generator) * 0.1)
        for step in steps:
            if "variance" in step.tensors:
                network.flat[step.tensors["variance"] :].abs_()
        words = self._program.vocabulary
        inputs = torch.randn(3, *shape, generator=generator)
        if words:
            inputs = torch.randint(words, inputs.shape, generator=generator)
        network.model.eval()
        with torch.no_grad():
            expected, found = network.model(inputs), self.forward(inputs)
        network.flat.copy_(kept)
        network.model.train(training)
        if expected.shape != found.shape or not torch.allclose(expected, found, rtol=1e-3, atol=1e-4):
            raise UntranslatableError("outputs that differ from torch's")


def native_model(network: Network, execution: Execution, inputs: Tensor) -> NativeModel | None:
    """The network as a native program for such inputs, or None where torch has to do it: another device or precision, a
    model that is not covered, hooks that look into it, no native loop."""
    usable = execution.allows_native and FLAVOURS and network.flat.device.type == "cpu"
    if not usable:
        return None
    shape = tuple(inputs.shape[1:])
    if shape not in network.programs:
        try:
            network.programs[shape] = NativeModel(network, shape)
        except UntranslatableError:
            network.programs[shape] = None
    program = network.programs[shape]
    return None if program is None or program.watched or not program.reads(inputs) else program


def optimiser(name: str, rate: float, momentum: float, decay: float) -> Optimiser:
    return extension.native.Optimiser(adam=name == "adam", rate=rate, momentum=momentum, decay=decay)


def layer_of(step: Step) -> extension.native.Layer:
    values: dict[str, Any] = {field.name: getattr(step, field.name) for field in dataclasses.fields(step)}
    return extension.native.Layer(**values.pop("tensors"), **values)


def _places_below(count: int, values: Tensor) -> bool:
    return values.dtype == torch.int64 and bool(((values >= 0) & (values < count)).all())


def _rows(inputs: Tensor) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = inputs.detach().reshape(len(inputs), -1).to(torch.float32).contiguous().numpy()
    return rows
