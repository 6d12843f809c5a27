"""Peers side by side on the cores that a cell has to itself, each with a network of its own and nothing shared, so that what
comes out does not depend on how many there are."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

import torch
from torch import Tensor

from fflbench.contracts import Examples
from fflbench.execution import Execution
from fflbench.federation.native import native_model
from fflbench.federation.network import Network
from fflbench.federation.trainer import Trainer, plain_loss
from fflbench.rng import Rng

R = TypeVar("R")

FEWEST = 2048
"""Examples that are worth being evaluated side by side."""

GROUP, BLOCK = 16, 1000
"""Examples that the native loop and torch evaluate at once: what a hand gets is a multiple, so that digits stay the same."""


@dataclass(frozen=True)
class Work:
    """One peer's training; its update [d] goes to `row`."""

    trainer: Trainer
    examples: Examples
    rng: Rng
    row: Tensor

    def done(self, start: Tensor) -> None:
        self.row.copy_(self.trainer.train(self.examples, start, self.rng))

    def done_with(self, start: Tensor, network: Network) -> None:
        """The same, while others are at work."""
        replace(self, trainer=replace(self.trainer, network=network, draws=False)).done(start)


class Team:
    """The networks of a cell. With `execution.abreast` 1 everything is done with the first.

    Side by side train those with whom nobody interferes: in the native loop, or in torch where the model draws no numbers,
    for torch has one generator.
    """

    def __init__(self, network: Network, execution: Execution) -> None:
        self._first, self._execution = network, execution
        self._hands = execution.abreast if network.flat.device.type == "cpu" else 1
        self._others: list[Network] = []
        self._free: SimpleQueue[Network] = SimpleQueue()
        self._draws: bool | None = None

    def train(self, work: Iterable[Work], start: Tensor) -> None:
        """Train every peer from the parameters `start[d]`. Work is taken as there are hands for it."""
        begun: list[Future[None]] = []
        with ThreadPoolExecutor(self._hands) as hands:
            for one in work:
                if self._shareable(one):
                    begun.append(self._handed(hands, partial(one.done_with, start)))
                else:
                    one.done(start)
            for future in begun:
                future.result()

    def forward(self, vector: Tensor, inputs: Tensor) -> Tensor:
        """The outputs [n, ...] of the model `vector[d]` in evaluation mode."""
        if self._hands == 1 or len(inputs) < FEWEST or not self._copied(inputs):
            return self._outputs(vector, inputs, self._first)
        unit = BLOCK if native_model(self._first, self._execution, inputs) is None else GROUP
        share = math.ceil(len(inputs) / self._hands / unit) * unit
        with ThreadPoolExecutor(self._hands) as hands:
            parts = torch.split(inputs, share)
            begun = [self._handed(hands, partial(self._outputs, vector, part)) for part in parts]
            return torch.cat([future.result() for future in begun])

    def _outputs(self, vector: Tensor, inputs: Tensor, network: Network) -> Tensor:
        network.load(vector)
        network.model.eval()
        native = native_model(network, self._execution, inputs)
        if native is not None:
            return native.forward(inputs)
        with torch.inference_mode(), self._execution.lowered():
            return torch.cat([network.model(block) for block in torch.split(inputs, BLOCK)]).float()

    def _handed(self, hands: ThreadPoolExecutor, use: Callable[[Network], R]) -> Future[R]:
        """Let a hand do something with a network that is free, or will be."""
        network = self._free.get()

        def used() -> R:
            try:
                return use(network)
            finally:
                self._free.put(network)

        return hands.submit(used)

    def _shareable(self, one: Work) -> bool:
        trainer = one.trainer
        if self._hands == 1 or trainer.network is not self._first or not self._copied(one.examples.inputs):
            return False
        return trainer.trains_natively(one.examples) or (trainer.plain and not self._drawing(one))

    def _copied(self, inputs: Tensor) -> bool:
        """Make a network for each hand: here, as models are traced by one thread at a time. False for one that cannot be
        copied."""
        try:
            while len(self._others) < self._hands:
                self._others.append(Network(copy.deepcopy(self._first.model), inputs.device))
                self._free.put(self._others[-1])
        except Exception:  # Somebody's module may refuse in any way.
            self._hands = 1
            return False
        for network in self._others:
            native_model(network, self._execution, inputs)
        return True

    def _drawing(self, one: Work) -> bool:
        """Whether a step of training takes numbers from torch's generator, by trying one."""
        if self._draws is None:
            network, before = self._others[0], torch.get_rng_state()
            network.model.train(one.trainer.training_mode)
            try:
                with self._execution.lowered():
                    loss = plain_loss(network.model, one.examples.inputs[:2], one.examples.targets[:2])
                loss.backward()  # type: ignore[no-untyped-call]
                self._draws = not torch.equal(before, torch.get_rng_state())
            except Exception:  # Whatever it is, training itself will say it.
                self._draws = True
            network.gradient.zero_()
            torch.set_rng_state(before)
        return self._draws
