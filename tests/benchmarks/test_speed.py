"""How fast the parts are. Compare ratios of two runs on one machine: `make bench`, then pytest-benchmark's --benchmark-compare.

Not part of `make test`: nothing here asserts a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from fflbench import registry
from fflbench.attacks.reconstruction.inverting_gradients import InvertingGradients
from fflbench.contracts import Examples, Observation, Rng, Round, TaskView, Upload
from fflbench.defenses.ffl.mixing import FragmentMixing
from fflbench.federation.network import Network
from fflbench.federation.trainer import Trainer
from fflbench.models.small_cnns import MnistCNN, StridedCNN

AGGREGATORS = ["mean", "median", "trimmed-mean", "repeated-median", "krum", "multi-krum", "foolsgold", "reputation",
               "meamed", "geometric-median", "bulyan", "caf", "centered-clipping", "norm-clipping", "dnc", "signguard",
               "flame"]  # fmt: skip


@pytest.mark.parametrize("peers", [10, 50])
@pytest.mark.parametrize("name", AGGREGATORS)
def test_aggregation_of_100_000_parameters(benchmark: Any, make_round: Callable[..., Round], name: str, peers: int) -> None:
    rows = torch.randn(peers, 100_000)
    round_ = make_round(rows, tolerated=peers // 5, last_layer=501)
    upload = Upload(rows, round_.peers, pairs=tuple(zip(range(0, peers, 2), range(1, peers, 2), strict=True)))
    result = benchmark(lambda: registry.load("defenses", name)().aggregate(upload, round_))
    assert torch.isfinite(result.vector).all()


@pytest.mark.parametrize("name", ["mda", "smea", "residual-reweighting", "monna"])
def test_aggregation_of_20_peers(benchmark: Any, make_round: Callable[..., Round], name: str) -> None:
    """Rules that try 4,845 subsets or draw a line through every coordinate."""
    rows = torch.randn(20, 100_000)
    round_ = make_round(rows, tolerated=4)
    result = benchmark(lambda: registry.load("defenses", name)().aggregate(Upload(rows, round_.peers), round_))
    assert torch.isfinite(result.vector).all()


@pytest.mark.parametrize("name", ["nnm", "bucketing", "arc"])
def test_pre_aggregation_of_50_peers(benchmark: Any, make_round: Callable[..., Round], name: str) -> None:
    rows = torch.randn(50, 100_000)
    round_ = make_round(rows, tolerated=10)
    result = benchmark(lambda: registry.load("defenses", name)().transform(Upload(rows, round_.peers), round_))
    assert torch.isfinite(result.rows).all()


def test_mixing_of_50_peers_with_100_000_parameters(benchmark: Any, make_round: Callable[..., Round]) -> None:
    rows = torch.randn(50, 100_000)
    shared = benchmark(lambda: FragmentMixing().share(Upload(rows, tuple(range(50))), make_round(rows)))
    assert len(shared.pairs) == 25


@pytest.mark.parametrize(("name", "batch"), [("mnist-cnn", 64), ("strided-cnn", 25)])
def test_an_epoch_of_600_images(benchmark: Any, name: str, batch: int) -> None:
    model = MnistCNN(10) if name == "mnist-cnn" else StridedCNN((1, 28, 28), 10)
    trainer = Trainer(Network(model, torch.device("cpu")), 1, batch, "sgd", 0.01, 0.9, 5e-4)
    examples = Examples(torch.randn(600, 1, 28, 28), torch.randint(0, 10, (600,)))
    start = trainer.network.flat.clone()
    update = benchmark(lambda: trainer.train(examples, start, Rng(0)))
    assert update.abs().max() > 0


def test_fifty_steps_of_inversion(benchmark: Any) -> None:
    task = TaskView("image", tuple("0123456789"), (1, 28, 28), (0.3,), (0.3,))
    network = Network(StridedCNN((1, 28, 28), 10), torch.device("cpu"))
    start, labels = network.flat.clone(), torch.tensor([3])
    update = Trainer(network, 1, 1, "sgd", 0.01).train(Examples(torch.randn(1, 1, 28, 28), labels), start, Rng(0))
    network.load(start)
    seen = Observation(network.model, network.layout, update, Upload(update[None], (0,)), task, 1, 0.01, 1, labels)
    guess = benchmark(lambda: InvertingGradients(steps=50).reconstruct(seen, Rng(0)))
    assert guess.inputs.shape == (1, 1, 28, 28)
