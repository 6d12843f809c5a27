"""Local training and inversion on a GPU: recorded steps of peers in streams beside call by call. By the wall clock, as the
processor only waits. Nothing here asserts a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fflbench.attacks.reconstruction import descent
from fflbench.attacks.reconstruction.inverting_gradients import InvertingGradients
from fflbench.contracts import Examples, Rng, TaskView
from fflbench.execution import Execution, Precision
from fflbench.federation import team as team_module
from fflbench.federation.network import Network
from fflbench.federation.team import Team, Work
from fflbench.federation.trainer import Trainer
from fflbench.models.bilstm import BiLSTM
from fflbench.models.convnet64 import ConvNet64
from fflbench.models.torchvision_classifier import vgg16
from tests.attacks.observing import seen_by_server
from tests.benchmarks.ways import compared

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
    pytest.mark.benchmark(timer=time.perf_counter),
]

GPU = torch.device("cuda:0")
PEERS, HELD = 10, 640


def images(drawn: torch.Generator) -> Tensor:
    return torch.randn(HELD, 3, 32, 32, generator=drawn)


def texts(drawn: torch.Generator) -> Tensor:
    return torch.randint(20_000, (HELD, 128), generator=drawn)


WORK: dict[str, tuple[Callable[[], nn.Module], Callable[[torch.Generator], Tensor], int, dict[str, Any]]] = {
    "cifar10-vgg16": (lambda: vgg16(10), images, 10,
                      {"optimiser": "sgd", "momentum": 0.9, "weight_decay": 5e-4, "learning_rate": 0.01}),
    "imdb-bilstm": (lambda: BiLSTM(20_000), texts, 2, {"optimiser": "adam", "learning_rate": 1e-3}),
}  # fmt: skip
ALONE = "call by call, one peer after the other"


@pytest.mark.parametrize("precision", ["float32", "tfloat32", "bfloat16"])
@pytest.mark.parametrize("streams", [0, 1, 8])
@pytest.mark.parametrize("name", WORK)
def test_a_round_of_10_peers_with_640_examples(
    benchmark: Any, name: str, streams: int, precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = "ours" if streams == team_module.STREAMS else "recorded, one peer after the other" if streams else ALONE
    compared(benchmark, f"on a GPU: training in {precision}, {name}, a round of {PEERS} peers", way)
    monkeypatch.setattr(team_module, "STREAMS", streams)
    build, draw, classes, settings = WORK[name]
    execution = Execution(device="cuda:0", precision=precision)
    execution.prepare()
    network = Network(build(), GPU)
    trainer = Trainer(network, epochs=1, batch_size=32, execution=execution, **settings)
    team, start = Team(network, execution), network.flat.clone()
    rows, drawn = torch.zeros(PEERS, network.layout.size, device=GPU), torch.Generator().manual_seed(0)
    peers = [Examples(draw(drawn).to(GPU), torch.randint(classes, (HELD,), generator=drawn).to(GPU)) for _ in range(PEERS)]

    def round_() -> None:
        if streams:
            team.train((Work(trainer, one, Rng(k), rows[k]) for k, one in enumerate(peers)), start)
        else:
            for k, one in enumerate(peers):
                Work(trainer, one, Rng(k), rows[k]).done(start)
        torch.cuda.synchronize()

    benchmark.pedantic(round_, rounds=3, warmup_rounds=1)
    assert bool(rows.abs().amax(1).all())


@pytest.mark.parametrize("way", ["ours", "call by call"])
def test_inversion_of_five_local_steps(benchmark: Any, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compared(benchmark, "on a GPU: inversion, convnet64, 5 local steps, 100 steps, 1 image", way)
    monkeypatch.setattr(descent, "WORTH", 1 if way == "ours" else 10**9)
    Execution(device="cuda:0").prepare()
    task = TaskView("image", tuple("0123456789"), (3, 32, 32), (0.5,) * 3, (0.25,) * 3)
    model = ConvNet64((3, 32, 32), 10).eval().to(GPU)
    victim = Examples(torch.rand(1, 3, 32, 32).to(GPU), torch.tensor([3], device=GPU))
    seen = seen_by_server(model, task, victim, steps=5, rate=1e-4)
    attack = InvertingGradients(steps=100, learning_rate=1.0)
    assert benchmark.pedantic(lambda: attack.reconstruct(seen, Rng(0)), rounds=3, warmup_rounds=1).steps == 100
