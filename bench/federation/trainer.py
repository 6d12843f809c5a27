"""Local training of one peer, with places where attacks and stages may change it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fflbench import optimisers
from fflbench.contracts import Examples
from fflbench.errors import UserError
from fflbench.execution import FULL, Execution
from fflbench.federation.loss import task_loss
from fflbench.federation.native import NativeModel, native_model, optimiser
from fflbench.federation.network import Network
from fflbench.federation.recordings import Recordings
from fflbench.rng import Rng

Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]
GradientHook = Callable[[nn.Module, Tensor, Tensor, Tensor], None]
StepHook = Callable[[Tensor, Tensor], None]


def plain_loss(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    loss: Tensor = task_loss(model(inputs), targets)
    return loss


@dataclass(frozen=True)
class Trainer:
    """How a peer trains. Immutable: the `with_...` methods return changed copies, so attacks and stages compose.

    `loss(model, inputs, targets)` is minimised; each of `gradient_hooks(model, inputs, targets, gradient)` may change the
    flat gradient [trainable] in place before a step; each of `step_hooks(flat, start)` may change the flat parameters [d]
    in place after it, knowing those at the start of the round. Without `draws` torch's generator, which is one for the whole
    process, is left alone: for models that take nothing from it.
    """

    network: Network
    epochs: int
    batch_size: int
    optimiser: Literal["sgd", "adam"]
    learning_rate: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    drop_last: bool = False
    training_mode: bool = True
    execution: Execution = FULL
    loss: Loss = plain_loss
    gradient_hooks: tuple[GradientHook, ...] = ()
    step_hooks: tuple[StepHook, ...] = ()
    draws: bool = True

    def with_loss(self, wrap: Callable[[Loss], Loss]) -> Trainer:
        """Replace the loss; `wrap` receives the one that is in place."""
        return replace(self, loss=wrap(self.loss))

    def with_gradient(self, hook: GradientHook) -> Trainer:
        return replace(self, gradient_hooks=(*self.gradient_hooks, hook))

    def with_step(self, hook: StepHook) -> Trainer:
        return replace(self, step_hooks=(*self.step_hooks, hook))

    def train(self, examples: Examples, start: Tensor, rng: Rng) -> Tensor:
        """Train from the parameters `start[d]` on a peer's (already normalised) examples; returns the update [d].

        The same `rng` gives the same batches and dropout, whatever else runs. Raises `UserError` without examples.
        """
        if len(examples) == 0:
            raise UserError("local training: found a peer without examples, needs at least one")
        self.network.load(start)
        if not self._trained_natively(examples, rng):
            self._train_in_torch(examples, start, rng)
        return self.network.flat - start

    def trains_natively(self, examples: Examples) -> bool:
        """Whether the native loop does the same: nobody intervenes, and it covers the model."""
        return self._native(examples) is not None

    @property
    def plain(self) -> bool:
        """Whether nobody intervenes."""
        return self.loss is plain_loss and not self.gradient_hooks and not self.step_hooks

    def _native(self, examples: Examples) -> NativeModel | None:
        if not self.plain or not self.training_mode:
            return None
        model = native_model(self.network, self.execution, examples.inputs)
        return model if model is not None and model.accepts(examples.targets) else None

    def _trained_natively(self, examples: Examples, rng: Rng) -> bool:
        model = self._native(examples)
        if model is None:
            return False
        size, used = self.sizes(len(examples))
        orders = [np.arange(len(examples)) if order is None else order for order in self._orders(len(examples), rng)]
        steps = optimiser(self.optimiser, self.learning_rate, self.momentum, self.weight_decay)
        if not self.network.model.training:
            self.network.model.train()
        places = np.array(orders, dtype=np.int64).reshape(self.epochs, used)
        model.train(examples, places, size, steps, rng.at("model").entropy % 2**64)
        return True

    def record(self, examples: Examples, stream: torch.cuda.Stream) -> None:
        """Record the steps that training on these examples takes on a GPU, where nobody intervenes and the model draws
        nothing: `train` repeats them. Changes the network."""
        size, used = self.sizes(len(examples))
        self.network.model.train(self.training_mode)
        way = self._way(examples)
        if way not in self.network.recordings:
            self.network.recordings[way] = Recordings(self._differentiate, self._optimiser(), stream)
        for wanted in {size, used % size} - {0}:
            self.network.recordings[way].record(examples, wanted)

    def _way(self, examples: Examples) -> tuple[object, ...]:
        """What tells recorded steps apart, beside the size of a batch."""
        optimiser = self.optimiser, self.learning_rate, self.momentum, self.weight_decay
        return *optimiser, self.training_mode, examples.inputs.shape[1:], examples.inputs.dtype, examples.targets.dtype

    def _train_in_torch(self, examples: Examples, start: Tensor, rng: Rng) -> None:
        network = self.network
        network.model.train(self.training_mode)
        recordings = network.recordings.get(self._way(examples)) if self.plain and not self.draws else None
        if recordings is not None:
            recordings.begin()
            for inputs, targets in self._batches(examples, rng):
                recordings.take(inputs, targets)
            return
        steps = self._optimiser()
        with rng.at("model").inside_torch(start.device) if self.draws else nullcontext():
            for inputs, targets in self._batches(examples, rng):
                self._differentiate(inputs, targets)
                for gradient_hook in self.gradient_hooks:
                    gradient_hook(network.model, inputs, targets, network.gradient)
                steps.step()
                for step_hook in self.step_hooks:
                    step_hook(network.flat, start)

    def _differentiate(self, inputs: Tensor, targets: Tensor) -> None:
        """Fill the network's gradient with that of a batch."""
        network = self.network
        network.gradient.zero_()
        with self.execution.lowered():
            loss = self.loss(network.model, inputs, targets)
            loss.backward()  # type: ignore[no-untyped-call]
        network.collect_gradient()

    def _optimiser(self) -> torch.optim.Optimizer:
        leaf, rate, decay, kind = [self.network.leaf], self.learning_rate, self.weight_decay, self.network.flat.device.type
        fused = kind in ("cpu", "cuda")
        if self.optimiser == "adam":
            return optimisers.Adam(leaf, lr=rate, weight_decay=decay, fused=fused, capturable=kind == "cuda")
        return optimisers.SGD(leaf, lr=rate, momentum=self.momentum, weight_decay=decay, fused=fused)

    def _batches(self, examples: Examples, rng: Rng) -> Iterator[tuple[Tensor, Tensor]]:
        """Mini-batches of every epoch."""
        size, used = self.sizes(len(examples))
        for order in self._orders(len(examples), rng):
            shuffled = examples
            if order is not None:
                shuffled = examples[torch.from_numpy(order).to(examples.targets.device)]
            for begin in range(0, used, size):
                end = min(begin + size, used)
                yield shuffled.inputs[begin:end], shuffled.targets[begin:end]

    def _orders(self, count: int, rng: Rng) -> Iterator[NDArray[np.int64] | None]:
        """Which examples an epoch takes, in a fresh order; None for all as they are, when they are one batch."""
        size, used = self.sizes(count)
        generator = rng.at("batches").numpy()
        for _ in range(self.epochs):
            yield generator.permutation(count)[:used] if size < count else None

    def sizes(self, count: int) -> tuple[int, int]:
        """How many of a peer's `count` examples make a batch, and how many an epoch uses. A last batch that is smaller is
        dropped if `drop_last`, and if it holds a single example (batch norm cannot train on it), but never when it is the
        only one."""
        size = min(self.batch_size, count)
        if size == 1 and self.network.batch_norm and self.training_mode:
            raise UserError(f"local training: found a batch of one example (batch_size {self.batch_size}, {count} examples "
                            "at this peer), batch norm needs two: raise batch_size or partition.minimum")  # fmt: skip
        rest = count % size
        return size, count - rest if rest and (self.drop_last or rest == 1) else count
