"""Peers side by side on the cores that a cell has to itself, or in streams of a GPU, each with a network of its own and
nothing shared, so that what comes out does not depend on how many there are."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
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
from fflbench.recorded import new_stream, recordable
from fflbench.rng import Rng

R = TypeVar("R")

FEWEST = 2048
"""Examples that are worth being evaluated side by side."""

GROUP, BLOCK = 16, 1000
"""Examples that the native loop and torch evaluate at once: what a hand gets is a multiple, so that digits stay the same."""


STREAMS = 8
"""Peers at once on a GPU, each in a stream: one alone does not fill it."""

SHARE = 100
"""Times its parameters that a peer may take of a GPU's memory: gradient, optimiser, activations, libraries' workspaces."""


@dataclass(frozen=True)
class Hand:
    """A network to work with; on a GPU in a stream of its own."""

    network: Network
    stream: torch.cuda.Stream | None = None

    @contextmanager
    def at_work(self, *needs: Tensor) -> Iterator[None]:
        """Inside, the GPU works in this hand's stream. What it `needs` is not given to others before that is done."""
        if self.stream is None:
            yield
            return
        with torch.cuda.stream(self.stream):
            yield
        for tensor in needs:
            tensor.record_stream(self.stream)

    def wait(self) -> None:
        """What is asked of this hand comes after what was asked of the GPU until now."""
        if self.stream is not None:
            self.stream.wait_stream(torch.cuda.current_stream(self.stream.device))

    def be_awaited(self) -> None:
        """What is asked of the GPU from now on comes after what was asked of this hand."""
        if self.stream is not None:
            torch.cuda.current_stream(self.stream.device).wait_stream(self.stream)


@dataclass(frozen=True)
class Work:
    """One peer's training; its update [d] goes to `row`."""

    trainer: Trainer
    examples: Examples
    rng: Rng
    row: Tensor

    def done(self, start: Tensor) -> None:
        self.row.copy_(self.trainer.train(self.examples, start, self.rng))

    def done_with(self, start: Tensor, hand: Hand) -> None:
        """The same, while others are at work."""
        with hand.at_work(self.examples.inputs, self.examples.targets):
            replace(self, trainer=replace(self.trainer, network=hand.network, draws=False)).done(start)


class Team:
    """The networks of a cell. With `execution.abreast` 1 on a CPU everything is done with the first.

    Side by side train those with whom nobody interferes: in the native loop, or in torch where the model draws no numbers,
    for torch has one generator. On a GPU their steps are recorded and repeated.
    """

    def __init__(self, network: Network, execution: Execution) -> None:
        self._first, self._execution = network, execution
        self._hands = _room(network, execution)
        self._others: list[Hand] = []
        self._free: SimpleQueue[Hand] = SimpleQueue()
        self._draws: bool | None = None

    @property
    def abreast(self) -> int:
        """How many peers train at once, if they can."""
        return max(1, self._hands)

    def train(self, work: Iterable[Work], start: Tensor) -> None:
        """Train every peer from the parameters `start[d]`. Work is taken as there are hands for it."""
        begun: list[Future[None]] = []
        with ThreadPoolExecutor(self.abreast) as hands:
            for one in work:
                if self._shareable(one):
                    begun.append(self._handed(hands, self._ready_for(one), partial(one.done_with, start)))
                else:
                    one.done(start)
            for future in begun:
                future.result()
        for hand in self._others:
            hand.be_awaited()

    def forward(self, vector: Tensor, inputs: Tensor) -> Tensor:
        """The outputs [n, ...] of the model `vector[d]` in evaluation mode."""
        if not self._hands or inputs.is_cuda or len(inputs) < FEWEST or not self._copied(inputs):
            return self._outputs(vector, inputs, Hand(self._first))
        unit = BLOCK if native_model(self._first, self._execution, inputs) is None else GROUP
        share = math.ceil(len(inputs) / self._hands / unit) * unit
        with ThreadPoolExecutor(self._hands) as hands:
            parts = torch.split(inputs, share)
            begun = [self._handed(hands, self._free.get(), partial(self._outputs, vector, part)) for part in parts]
            return torch.cat([future.result() for future in begun])

    def _outputs(self, vector: Tensor, inputs: Tensor, hand: Hand) -> Tensor:
        network = hand.network
        network.load(vector)
        network.model.eval()
        native = native_model(network, self._execution, inputs)
        if native is not None:
            return native.forward(inputs)
        with torch.inference_mode(), self._execution.lowered():
            return torch.cat([network.model(block) for block in torch.split(inputs, BLOCK)]).float()

    def _handed(self, hands: ThreadPoolExecutor, hand: Hand, use: Callable[[Hand], R]) -> Future[R]:
        """Let a hand do something."""

        def used() -> R:
            try:
                return use(hand)
            finally:
                self._free.put(hand)

        return hands.submit(used)

    def _ready_for(self, one: Work) -> Hand:
        """A hand that is free, or will be, and knows the steps of this work: they are recorded by one thread, here."""
        hand = self._free.get()
        if hand.stream is not None:
            replace(one.trainer, network=hand.network).record(one.examples, hand.stream)
        hand.wait()
        return hand

    def _shareable(self, one: Work) -> bool:
        trainer = one.trainer
        if not self._hands or trainer.network is not self._first or not self._copied(one.examples.inputs):
            return False
        return trainer.trains_natively(one.examples) or (trainer.plain and not self._drawing(one))

    def _copied(self, inputs: Tensor) -> bool:
        """Make a network for each hand: here, as models are traced by one thread at a time. False for one that cannot be
        copied."""
        try:
            while len(self._others) < self._hands:
                network = Network(copy.deepcopy(self._first.model), inputs.device)
                self._others.append(Hand(network, new_stream(inputs.device) if inputs.is_cuda else None))
                self._free.put(self._others[-1])
        except Exception:  # Somebody's module may refuse in any way.
            self._hands = 0
            return False
        for hand in self._others:
            native_model(hand.network, self._execution, inputs)
        return True

    def _drawing(self, one: Work) -> bool:
        """Whether a step of training takes numbers from torch's generator, or cannot be recorded on a GPU, by trying one."""
        if self._draws is None:
            network, inputs, targets = self._others[0].network, one.examples.inputs[:2], one.examples.targets[:2]
            network.model.train(one.trainer.training_mode)

            def step() -> None:
                with self._execution.lowered():
                    plain_loss(network.model, inputs, targets).backward()  # type: ignore[no-untyped-call]

            with one.rng.inside_torch(inputs.device):
                before = _generators(inputs)
                try:
                    step()
                    waits = inputs.is_cuda and not recordable(step)
                    self._draws = waits or not torch.equal(before, _generators(inputs))
                except Exception:  # Whatever it is, training itself will say it.
                    self._draws = True
            network.gradient.zero_()
        return self._draws


def _room(network: Network, execution: Execution) -> int:
    """How many hands there are; none where one peer trains after the other."""
    device = network.flat.device
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return max(1, min(STREAMS, free // (SHARE * 4 * network.layout.size)))
    return execution.abreast if device.type == "cpu" and execution.abreast > 1 else 0


def _generators(inputs: Tensor) -> Tensor:
    """The state of torch's generators that a model which takes these inputs may draw from."""
    states = [torch.get_rng_state()]
    return torch.cat([*states, torch.cuda.get_rng_state(inputs.device)] if inputs.is_cuda else states)
