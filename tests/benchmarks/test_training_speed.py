"""Local training beside what it replaces: the native loop, torch on tensors, and the way in which it is usually written.

Compare the rows of one run: `make bench`, or `pytest -o addopts= tests/benchmarks/test_training_speed.py --benchmark-only`.
Nothing here asserts a time.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from fflbench.contracts import Examples, Rng
from fflbench.execution import Execution
from fflbench.extension import FLAVOURS
from fflbench.federation.loss import task_loss
from fflbench.federation.native import native_model
from fflbench.federation.network import Network
from fflbench.federation.trainer import Trainer
from fflbench.models.mlp import MLP, AdultMLP
from fflbench.models.small_cnns import LeNet, MnistCNN, StridedCNN
from tests.benchmarks.ways import compared

IMAGE = (1, 28, 28)
MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
    "mnist-cnn": (lambda: MnistCNN(10), IMAGE, 10),
    "lenet": (lambda: LeNet(IMAGE, 10), IMAGE, 10),
    "strided-cnn": (lambda: StridedCNN(IMAGE, 10), IMAGE, 10),
    "adult-mlp": (lambda: AdultMLP((10,)), (10,), 2),
    "mlp": (lambda: MLP(IMAGE, 10), IMAGE, 10),
}
PEERS = 10


class OneByOne(Dataset[tuple[Tensor, Tensor]]):
    """A peer's own copy of the data, normalised example by example whenever one is asked for."""

    def __init__(self, examples: Examples) -> None:
        self._inputs, self._targets = examples.inputs.clone(), examples.targets.clone()

    def __len__(self) -> int:
        return len(self._targets)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return (self._inputs[index] - 0.5) / 0.5, self._targets[index]


def naive_round(model: nn.Module, peers: list[Examples]) -> list[dict[str, Tensor]]:
    """Every peer gets a deep copy of the model and goes through a DataLoader; updates are dictionaries."""
    updates = []
    for examples in peers:
        local = copy.deepcopy(model).train()
        optimiser = torch.optim.SGD(local.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
        for inputs, targets in DataLoader(OneByOne(examples), batch_size=64, shuffle=True):
            optimiser.zero_grad()
            task_loss(local(inputs), targets).backward()
            optimiser.step()
        before = model.state_dict()
        updates.append({name: value - before[name] for name, value in local.state_dict().items()})
    return updates


@torch.no_grad()
def naive_evaluation(model: nn.Module, examples: Examples) -> tuple[float, float]:
    """The loss in one pass, the accuracy in another."""
    loss, right = 0.0, 0
    for inputs, targets in DataLoader(OneByOne(examples), batch_size=64):
        loss += float(task_loss(model(inputs), targets)) * len(targets)
    for inputs, targets in DataLoader(OneByOne(examples), batch_size=64):
        right += int((model(inputs).argmax(1) == targets).sum())
    return loss / len(examples), right / len(examples)


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("way", ["native", "torch", "naive"])
@pytest.mark.parametrize("name", MODELS)
def test_a_round_of_10_peers_with_600_examples(benchmark: Any, name: str, way: str) -> None:
    if way == "native" and not FLAVOURS:
        pytest.skip("the native loop was not built")
    compared(benchmark, f"training, {name}, a round of {PEERS} peers", "DataLoader, deep copies" if way == "naive" else way)
    build, shape, classes = MODELS[name]
    peers = [Examples(torch.rand(600, *shape), torch.randint(0, classes, (600,))) for _ in range(PEERS)]
    if way == "naive":
        model = build()
        assert len(benchmark.pedantic(lambda: naive_round(model, peers), rounds=3, warmup_rounds=1)) == PEERS
        return
    execution = Execution(engine="native" if way == "native" else "torch")
    trainer = Trainer(Network(build(), torch.device("cpu")), 1, 64, "sgd", 0.01, 0.9, 5e-4, execution=execution)
    start = trainer.network.flat.clone()
    updates = benchmark.pedantic(
        lambda: [trainer.train(examples, start, Rng(peer)) for peer, examples in enumerate(peers)], rounds=7, warmup_rounds=1
    )
    assert all(update.abs().max() > 0 for update in updates)


TWICE = "DataLoader, once for the loss and once for the accuracy"


@pytest.mark.parametrize("way", ["native", "torch", TWICE])
def test_evaluation_of_10_000_images(benchmark: Any, way: str) -> None:
    compared(benchmark, "evaluation, mnist-cnn, 10,000 images", way)
    if way == TWICE:
        model, examples = MnistCNN(10).eval(), Examples(torch.rand(10_000, *IMAGE), torch.randint(0, 10, (10_000,)))
        benchmark.pedantic(lambda: naive_evaluation(model, examples), rounds=3, warmup_rounds=1)
        return
    network, images = Network(MnistCNN(10), torch.device("cpu")), torch.rand(10_000, *IMAGE)
    network.model.eval()
    native = native_model(network, Execution(engine="native" if way == "native" else "torch"), images)
    if way == "native" and native is None:
        pytest.skip("the native loop was not built")

    def forward() -> Tensor:
        if native is not None:
            return native.forward(images)
        with torch.inference_mode():
            return torch.cat([network.model(images[begin : begin + 1000]) for begin in range(0, len(images), 1000)])

    assert benchmark.pedantic(forward, rounds=7, warmup_rounds=1).shape == (10_000, 10)
