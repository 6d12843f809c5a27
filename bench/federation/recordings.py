"""Steps of local training on a GPU, recorded once and repeated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from fflbench.contracts import Examples
from fflbench.recorded import recorded


@dataclass(frozen=True)
class _Recording:
    """Where a step takes its batch from, and the call that does it."""

    inputs: Tensor
    targets: Tensor
    again: Callable[[], None]


@dataclass
class Recordings:
    """One way to train a network: `differentiate(inputs, targets)` finds the gradient, and `optimiser` steps along it."""

    differentiate: Callable[[Tensor, Tensor], None]
    optimiser: torch.optim.Optimizer
    stream: torch.cuda.Stream
    sizes: dict[int, _Recording] = field(default_factory=dict)

    def record(self, examples: Examples, size: int) -> None:
        """See to it that a step on so many examples is recorded. Changes the network."""
        if size in self.sizes:
            return
        inputs, targets = examples.inputs[:size].clone(), examples.targets[:size].clone()

        def work() -> None:
            self.differentiate(inputs, targets)
            self.optimiser.step()

        self.sizes[size] = _Recording(inputs, targets, recorded(work, self.stream))

    def begin(self) -> None:
        """An optimiser that remembers nothing: as its first step would find it."""
        for state in self.optimiser.state.values():
            for value in state.values():
                value.zero_()

    def take(self, inputs: Tensor, targets: Tensor) -> None:
        """One step on a batch of a size that is recorded."""
        recording = self.sizes[len(targets)]
        recording.inputs.copy_(inputs)
        recording.targets.copy_(targets)
        recording.again()
