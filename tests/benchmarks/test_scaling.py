"""How the time grows with uploads, parameters, peers and cores. Nothing here asserts a time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fflbench import extension, registry
from fflbench.contracts import Examples, Rng, Round, Upload
from fflbench.defenses.ffl.mixing import FragmentMixing
from fflbench.execution import Execution
from fflbench.federation.network import Network
from fflbench.federation.team import Team, Work
from fflbench.federation.trainer import Trainer
from fflbench.models.small_cnns import MnistCNN
from tests.benchmarks.ways import scaled

RULES = ["mean", "median", "trimmed-mean", "multi-krum", "geometric-median", "bulyan", "reputation"]
SIZES = [
    *(("uploads", n, n, 100_000) for n in (10, 20, 50, 100, 200)),
    *(("parameters", d, 20, d) for d in (10_000, 100_000, 1_000_000, 4_000_000)),
]


@pytest.mark.parametrize(("axis", "at", "n", "d"), SIZES)
class TestServer:
    @pytest.mark.parametrize("rule", RULES)
    def test_a_rule(
        self, benchmark: Any, make_round: Callable[..., Round], rule: str, axis: str, at: int, n: int, d: int
    ) -> None:
        scaled(benchmark, axis, at, rule)
        extension.use_inexact(True)
        rows = torch.randn(n, d)
        round_, upload = make_round(rows, tolerated=(n - 3) // 4, last_layer=501), Upload(rows, tuple(range(n)))
        upload = Upload(rows, upload.peers, pairs=tuple((k, k + 1) for k in range(0, n, 2)))
        aggregator = registry.load("defenses", rule)()
        benchmark.pedantic(lambda: aggregator.aggregate(upload, round_), rounds=5, warmup_rounds=1)

    def test_mixing(self, benchmark: Any, make_round: Callable[..., Round], axis: str, at: int, n: int, d: int) -> None:
        scaled(benchmark, axis, at, "fragment mixing")
        rows = torch.randn(n, d)
        round_, stage = make_round(rows), FragmentMixing()
        benchmark.pedantic(lambda: stage.share(Upload(rows, tuple(range(n))), round_), rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("peers", [5, 10, 20, 40])
def test_a_round_of_training(benchmark: Any, peers: int) -> None:
    scaled(benchmark, "peers", peers, "training mnist-cnn, 600 images each")
    examples = [Examples(torch.rand(600, 1, 28, 28), torch.randint(0, 10, (600,))) for _ in range(peers)]
    trainer = Trainer(Network(MnistCNN(10), torch.device("cpu")), 1, 64, "sgd", 0.01, 0.9, 5e-4)
    start = trainer.network.flat.clone()
    benchmark.pedantic(
        lambda: [trainer.train(one, start, Rng(peer)) for peer, one in enumerate(examples)], rounds=3, warmup_rounds=1
    )


CORES = sorted({1, 2, os.cpu_count() or 1})


@pytest.mark.benchmark(timer=time.perf_counter)
@pytest.mark.parametrize("cores", CORES)
def test_peers_at_once(benchmark: Any, cores: int) -> None:
    scaled(benchmark, "cores", cores, "a round of one cell: mnist-cnn, 20 peers with 600 images")
    peers = [Examples(torch.rand(600, 1, 28, 28), torch.randint(0, 10, (600,))) for _ in range(20)]
    network = Network(MnistCNN(10), torch.device("cpu"))
    team, trainer = Team(network, Execution(abreast=cores)), Trainer(network, 1, 64, "sgd", 0.01, 0.9, 5e-4)
    start, rows = network.flat.clone(), torch.zeros(20, network.layout.size)
    benchmark.pedantic(
        lambda: team.train((Work(trainer, one, Rng(k), rows[k]) for k, one in enumerate(peers)), start),
        rounds=5, warmup_rounds=1,
    )  # fmt: skip


@pytest.mark.benchmark(timer=time.perf_counter)
@pytest.mark.parametrize("cores", CORES)
def test_cells_at_once(benchmark: Any, cores: int, tmp_path: Path) -> None:
    scaled(benchmark, "cores", cores, "14 cells of quickstart, from command to summary")
    command = ["-m", "fflbench", "run", "quickstart", "--only", "fashion-mnist/label-flip/*", "--only",
               "fashion-mnist/gaussian-noise/*", "--seeds", "0", "-q"]  # fmt: skip
    folders = iter(range(10))

    def run() -> None:
        results = str(tmp_path / str(next(folders)))
        subprocess.run(
            [sys.executable, *command, "--jobs", str(cores), "--results", results], check=True, capture_output=True
        )

    benchmark.pedantic(run, rounds=1)
    assert len(list((tmp_path / "0" / "records").glob("*.json"))) == 14
