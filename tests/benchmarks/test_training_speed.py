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
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision import transforms

from fflbench.contracts import Examples, Rng
from fflbench.execution import Execution
from fflbench.extension import FLAVOURS
from fflbench.federation.loss import task_loss
from fflbench.federation.native import native_model
from fflbench.federation.network import Network
from fflbench.federation.trainer import Trainer
from fflbench.models.bilstm import BiLSTM
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
NAIVE = "DataLoader, sample by sample, deep copies"
AUTHORS = "as FFL's authors do: every example made twice, the whole data set copied for each peer"
WHOLE = {"mnist-cnn": 60_000, "adult-mlp": 36_000}
"""What the authors publish, and of how many examples their data sets are."""


class OneByOne(Dataset[tuple[Tensor, Tensor]]):
    """Data as torchvision's data sets give them: bytes, which become a picture, a tensor and normalised one by one."""

    def __init__(self, examples: Examples) -> None:
        self._images, self._targets = (examples.inputs[:, 0] * 255).to(torch.uint8), examples.targets
        self._transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])

    def __len__(self) -> int:
        return len(self._targets)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self._transform(Image.fromarray(self._images[index].numpy())), self._targets[index]


class Share(Dataset[Any]):
    """A peer's places in the whole data set, as FFL's authors hold them: one access for the input, another for the target."""

    def __init__(self, whole: Dataset[Any], places: list[int]) -> None:
        self._whole, self._places = whole, places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        place = self._places[index]
        return self._whole[place][0], self._whole[place][1]


def as_data_set(examples: Examples) -> Dataset[Any]:
    return OneByOne(examples) if examples.inputs.dim() == 4 else TensorDataset(examples.inputs, examples.targets)


def shares_of(whole: Dataset[Any], peers: int, each: int) -> list[Dataset[Any]]:
    return [Share(whole, list(range(peer * each, (peer + 1) * each))) for peer in range(peers)]


def naive_round(model: nn.Module, peers: list[Dataset[Any]], adam: bool = False) -> list[dict[str, Tensor]]:
    """Every peer gets a deep copy of the model and of its data and goes through a DataLoader; updates are dictionaries."""
    updates = []
    for data in peers:
        local = copy.deepcopy(model).train()
        optimiser: torch.optim.Optimizer = torch.optim.SGD(local.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
        if adam:
            optimiser = torch.optim.Adam(local.parameters(), lr=0.001)
        for inputs, targets in DataLoader(copy.deepcopy(data), batch_size=64, shuffle=True):
            optimiser.zero_grad()
            task_loss(local(inputs), targets).backward()
            optimiser.step()
        before = model.state_dict()
        updates.append({name: value - before[name] for name, value in local.state_dict().items()})
    return updates


@torch.no_grad()
def naive_evaluation(model: nn.Module, data: Dataset[Any]) -> tuple[float, float]:
    """The loss in one pass, the accuracy in another."""
    loss, right, count = 0.0, 0, 0
    for inputs, targets in DataLoader(data, batch_size=64):
        loss += float(task_loss(model(inputs), targets)) * len(targets)
        count += len(targets)
    for inputs, targets in DataLoader(data, batch_size=64):
        right += int((model(inputs).argmax(1) == targets).sum())
    return loss / count, right / count


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("way", ["native", "torch", NAIVE, AUTHORS])
@pytest.mark.parametrize("name", MODELS)
def test_a_round_of_10_peers_with_600_examples(benchmark: Any, name: str, way: str) -> None:
    if (way == "native" and not FLAVOURS) or (way == AUTHORS and name not in WHOLE):
        pytest.skip("the native loop was not built, or the authors have no such network")
    compared(benchmark, f"training, {name}, a round of {PEERS} peers", way)
    build, shape, classes = MODELS[name]
    peers = [Examples(torch.rand(600, *shape), torch.randint(0, classes, (600,))) for _ in range(PEERS)]
    if way in (NAIVE, AUTHORS):
        model, data = build(), [as_data_set(examples) for examples in peers]
        if way == AUTHORS:
            whole = Examples(torch.rand(WHOLE[name], *shape), torch.randint(0, classes, (WHOLE[name],)))
            data = shares_of(as_data_set(whole), PEERS, 600)
        assert len(benchmark.pedantic(lambda: naive_round(model, data), rounds=3, warmup_rounds=1)) == PEERS
        return
    execution = Execution(engine="native" if way == "native" else "torch")
    trainer = Trainer(Network(build(), torch.device("cpu")), 1, 64, "sgd", 0.01, 0.9, 5e-4, execution=execution)
    start = trainer.network.flat.clone()
    updates = benchmark.pedantic(
        lambda: [trainer.train(examples, start, Rng(peer)) for peer, examples in enumerate(peers)], rounds=7, warmup_rounds=1
    )
    assert all(update.abs().max() > 0 for update in updates)


WORDS, TOKENS, TEXTS = 20_000, 64, 40_000


@pytest.mark.parametrize("way", ["native", "torch", "ours in bfloat16", NAIVE, AUTHORS])
def test_a_round_of_4_peers_with_96_texts(benchmark: Any, way: str) -> None:
    """A vocabulary of which a peer sees little, and Adam, which moves all of it."""
    compared(benchmark, "training, imdb-bilstm, a round of 4 peers with 96 texts", way)
    if way == "native" and not FLAVOURS:
        pytest.skip("the native loop was not built")
    peers = [Examples(torch.randint(2, WORDS, (96, TOKENS)), torch.randint(0, 2, (96,))) for _ in range(4)]
    if way in (NAIVE, AUTHORS):
        model, data = BiLSTM(WORDS), [as_data_set(examples) for examples in peers]
        if way == AUTHORS:
            whole = Examples(torch.randint(2, WORDS, (TEXTS, TOKENS)), torch.randint(0, 2, (TEXTS,)))
            data = shares_of(as_data_set(whole), 4, 96)
        assert len(benchmark.pedantic(lambda: naive_round(model, data, adam=True), rounds=5, warmup_rounds=1)) == 4
        return
    execution = Execution(engine=way) if way in ("native", "torch") else Execution(precision="bfloat16")
    trainer = Trainer(Network(BiLSTM(WORDS), torch.device("cpu")), 1, 64, "adam", 0.001, execution=execution)
    start = trainer.network.flat.clone()
    benchmark.pedantic(
        lambda: [trainer.train(examples, start, Rng(peer)) for peer, examples in enumerate(peers)], rounds=5, warmup_rounds=1
    )


TWICE = "DataLoader, sample by sample, once for the loss and once for the accuracy"


@pytest.mark.parametrize("way", ["native", "torch", TWICE])
def test_evaluation_of_10_000_images(benchmark: Any, way: str) -> None:
    compared(benchmark, "evaluation, mnist-cnn, 10,000 images", way)
    if way == TWICE:
        model, examples = MnistCNN(10).eval(), Examples(torch.rand(10_000, *IMAGE), torch.randint(0, 10, (10_000,)))
        data = as_data_set(examples)
        benchmark.pedantic(lambda: naive_evaluation(model, data), rounds=3, warmup_rounds=1)
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
