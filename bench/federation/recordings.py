"""Local training on a GPU as steps that are recorded once and repeated, on a copy of the network that is laid out for it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from fflbench.contracts import Examples
from fflbench.execution import Execution
from fflbench.federation.loss import task_loss
from fflbench.federation.network import Network
from fflbench.recorded import recorded

Optimiser = Callable[[list[nn.Parameter]], torch.optim.Optimizer]


@dataclass(frozen=True)
class _Recording:
    """Where a step takes its batch from, and the call that does it."""

    inputs: Tensor
    targets: Tensor
    again: Callable[[], None]


@dataclass
class Recordings:
    """Training of one network in one way: by size of batch, the step. On tensor cores convolutions get their channels
    last."""

    network: Network
    execution: Execution
    optimiser: torch.optim.Optimizer
    model: nn.Module
    stream: torch.cuda.Stream
    sizes: dict[int, _Recording] = field(default_factory=dict)

    @classmethod
    def of(cls, network: Network, execution: Execution, optimiser: Optimiser, stream: torch.cuda.Stream) -> Recordings:
        model = copy.deepcopy(network.model)
        if execution.precision != "float32":
            model.to(memory_format=torch.channels_last)
        for module in model.modules():
            if isinstance(module, nn.RNNBase):
                module.flatten_parameters()
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        return cls(network, execution, optimiser(trained), model, stream)

    def record(self, examples: Examples, size: int) -> None:
        """See to it that a step on so many examples is recorded."""
        if size in self.sizes:
            return
        inputs, targets = examples.inputs[:size].clone(), examples.targets[:size].clone()
        if self.execution.precision != "float32" and inputs.ndim == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        self.sizes[size] = _Recording(inputs, targets, recorded(lambda: self._step(inputs, targets), self.stream))

    def begin(self) -> None:
        """Take the network's parameters, and an optimiser that remembers nothing: as its first step would find it."""
        for mine, its in self._tensors():
            mine.copy_(its)
        for state in self.optimiser.state.values():
            for value in state.values():
                value.zero_()

    def take(self, inputs: Tensor, targets: Tensor) -> None:
        """One step on a batch of a size that is recorded."""
        recording = self.sizes[len(targets)]
        recording.inputs.copy_(inputs)
        recording.targets.copy_(targets)
        recording.again()

    def finish(self) -> None:
        """Give the network the parameters."""
        for mine, its in self._tensors():
            its.copy_(mine)

    def _step(self, inputs: Tensor, targets: Tensor) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        with self.execution.lowered():
            task_loss(self.model(inputs), targets).backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()

    def _tensors(self) -> list[tuple[Tensor, Tensor]]:
        """The copy's tensors beside the network's."""
        mine, its = ([*model.parameters(), *model.buffers()] for model in (self.model, self.network.model))
        return list(zip(mine, its, strict=True))
