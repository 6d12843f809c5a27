"""Peers side by side on the cores that a cell has to itself: each trains in the native loop, with a network of its own, so
that what comes out does not depend on how many there are."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from queue import SimpleQueue

import torch
from torch import Tensor

from fflbench.contracts import Examples
from fflbench.execution import Execution
from fflbench.federation.native import NativeModel, native_model
from fflbench.federation.network import Network
from fflbench.federation.trainer import Trainer
from fflbench.rng import Rng

FEWEST = 2048
"""Examples that are worth being evaluated side by side."""

GROUP = 16
"""Examples that the native loop takes at once."""


@dataclass(frozen=True)
class Work:
    """One peer's training; its update [d] goes to `row`."""

    trainer: Trainer
    examples: Examples
    rng: Rng
    row: Tensor

    def done(self, start: Tensor, network: Network | None = None) -> None:
        trainer = self.trainer if network is None else replace(self.trainer, network=network)
        self.row.copy_(trainer.train(self.examples, start, self.rng))


class Team:
    """The networks of a cell. With `execution.abreast` 1, or where torch trains, everything is done with the first."""

    def __init__(self, network: Network, execution: Execution) -> None:
        self._first, self._execution, self._hands = network, execution, execution.abreast
        self._others: list[Network] = []

    def train(self, work: Iterable[Work], start: Tensor) -> None:
        """Train every peer from the parameters `start[d]`. Work is taken as there are hands for it."""
        free: SimpleQueue[Network] = SimpleQueue()
        begun: list[Future[None]] = []
        with ThreadPoolExecutor(self._hands) as hands:
            for one in work:
                if not self._shareable(one):
                    one.done(start)
                    continue
                if not begun:
                    for network in self._others:
                        free.put(network)
                begun.append(hands.submit(self._lend, one, start, free.get(), free))
            for future in begun:
                future.result()

    def _shareable(self, one: Work) -> bool:
        """Whether somebody else may do it, for whom there is a network then."""
        if self._hands == 1 or one.trainer.network is not self._first or not one.trainer.trains_natively(one.examples):
            return False
        return self._prepare(one.examples.inputs)

    @staticmethod
    def _lend(one: Work, start: Tensor, network: Network, free: SimpleQueue[Network]) -> None:
        try:
            one.done(start, network)
        finally:
            free.put(network)

    def forward(self, vector: Tensor, inputs: Tensor, block: int = 1000) -> Tensor:
        """The outputs [n, ...] of the model `vector[d]` in evaluation mode."""
        native = self._loaded(self._first, vector, inputs)
        if native is None:
            with torch.inference_mode(), self._execution.lowered():
                blocks = [self._first.model(inputs[i : i + block]) for i in range(0, len(inputs), block)]
                return torch.cat(blocks).float()
        if self._hands == 1 or len(inputs) < FEWEST or not self._prepare(inputs):
            return native.forward(inputs)
        programs = [self._loaded(network, vector, inputs) for network in self._others]
        share = math.ceil(len(inputs) / len(programs) / GROUP) * GROUP
        with ThreadPoolExecutor(len(programs)) as hands:
            parts = zip(programs, torch.split(inputs, share), strict=False)
            begun = [hands.submit(program.forward, part) for program, part in parts if program is not None]
            return torch.cat([future.result() for future in begun])

    def _loaded(self, network: Network, vector: Tensor, inputs: Tensor) -> NativeModel | None:
        network.load(vector)
        network.model.eval()
        return native_model(network, self._execution, inputs)

    def _prepare(self, inputs: Tensor) -> bool:
        """Make a network for each hand: here, as models are traced by one thread at a time. False for one that cannot be
        copied."""
        try:
            while len(self._others) < self._hands:
                self._others.append(Network(copy.deepcopy(self._first.model), inputs.device))
        except Exception:  # Somebody's module may refuse in any way.
            self._others, self._hands = [], 1
            return False
        return all(native_model(network, self._execution, inputs) is not None for network in self._others)
