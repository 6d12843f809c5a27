"""Training and descents on a GPU, where steps are recorded as CUDA graphs and peers train in streams: the same to the last
digit as one after the other, call by call."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fflbench.attacks.reconstruction.descent import descend
from fflbench.clock import Clock
from fflbench.contracts import Examples, Rng
from fflbench.execution import Execution, Precision
from fflbench.federation import recordings
from fflbench.federation import team as team_module
from fflbench.federation.network import Network
from fflbench.federation.rounds import run_rounds
from fflbench.federation.setup import build_federation
from fflbench.federation.team import Team, Work
from fflbench.federation.trainer import Trainer
from fflbench.keeper import Descents, Keeper
from fflbench.models.bilstm import BiLSTM
from fflbench.models.resnet import ResNet18
from fflbench.models.torchvision_classifier import vgg16
from fflbench.suite import load_suite

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

GPU = torch.device("cuda:0")
HERE = GPU if torch.cuda.is_available() else torch.device("cpu")


def images(peer: int, count: int) -> Examples:
    drawn = torch.Generator().manual_seed(peer)
    inputs, targets = torch.randn(count, 3, 32, 32, generator=drawn), torch.randint(10, (count,), generator=drawn)
    return Examples(inputs.to(HERE), targets.to(HERE))


def texts(peer: int, count: int) -> Examples:
    drawn = torch.Generator().manual_seed(peer)
    inputs, targets = torch.randint(500, (count, 40), generator=drawn), torch.randint(2, (count,), generator=drawn)
    return Examples(inputs.to(HERE), targets.to(HERE))


VGG16 = (lambda: vgg16(10), images, {"optimiser": "sgd", "momentum": 0.9, "weight_decay": 5e-4, "learning_rate": 0.01})
RESNET18 = (lambda: ResNet18((3, 32, 32), 10), images, {"optimiser": "sgd", "learning_rate": 0.01})
BILSTM = (lambda: BiLSTM(500), texts, {"optimiser": "adam", "learning_rate": 1e-3})
NAMES = ["vgg16", "resnet18", "bilstm"]


@pytest.mark.parametrize(("model", "peer", "settings"), [VGG16, RESNET18, BILSTM], ids=NAMES)
def test_what_is_recorded_is_the_training_itself(
    model: Any, peer: Any, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the CPU, where what would be recorded is done again instead."""
    monkeypatch.setattr(recordings, "recorded", lambda work, stream: work)
    execution = Execution(engine="torch")
    network = Network(model(), torch.device("cpu"))
    trainer = Trainer(network, epochs=2, batch_size=16, execution=execution, draws=False, **settings)
    start = network.flat.clone()
    for count in (40, 32, 7):  # The second and third are of sizes that are known by then, or new.
        one = peer(count, count)
        one = Examples(one.inputs.cpu(), one.targets.cpu())
        network.recordings.clear()
        expected = trainer.train(one, start, Rng(count))
        trainer.record(one, stream=None)  # type: ignore[arg-type]
        for _ in range(2):
            assert torch.equal(trainer.train(one, start, Rng(count)), expected)
            assert network.recordings


@on_gpu
@pytest.mark.parametrize("precision", ["float32", "tfloat32", "bfloat16"])
@pytest.mark.parametrize(("model", "peer", "settings"), [VGG16, RESNET18, BILSTM], ids=NAMES)
def test_recorded_steps_in_streams_are_the_steps_themselves(
    model: Any, peer: Any, settings: dict[str, Any], precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = Execution(device="cuda:0", precision=precision)
    execution.prepare()
    network = Network(model(), GPU)
    trainer = Trainer(network, epochs=2, batch_size=32, execution=execution, **settings)
    # The last batches are of several sizes, and some peers have fewer examples than a batch.
    peers = [peer(k, count) for k, count in enumerate((96, 100, 45, 20, 70, 100, 64, 33, 110, 96, 96, 50))]
    start = network.flat.clone()
    expected = torch.stack([trainer.train(one, start, Rng(k)) for k, one in enumerate(peers)])
    for streams in (1, 8):
        monkeypatch.setattr(team_module, "STREAMS", streams)
        team, rows = Team(network, execution), torch.zeros_like(expected)
        for _ in range(2):
            team.train((Work(trainer, one, Rng(k), rows[k]) for k, one in enumerate(peers)), start)
            assert torch.equal(rows, expected)
            rows.zero_()
        assert all(hand.network.recordings for hand in team._others)


class Asking(nn.Module):
    """Asks the GPU for a number on its way."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3 * 32 * 32, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.layer(inputs.flatten(1))
        return outputs * 2 if float(outputs.detach().sum()) > 0 else outputs


@on_gpu
@pytest.mark.parametrize("model", [Asking, lambda: nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(3072, 10))])
def test_what_cannot_be_recorded_is_done_call_by_call(model: Any) -> None:
    execution = Execution(device="cuda:0")
    network = Network(model(), GPU)
    trainer = Trainer(network, epochs=2, batch_size=32, optimiser="sgd", learning_rate=0.1, execution=execution)
    peers, start = [images(k, 80) for k in range(4)], network.flat.clone()
    expected = torch.stack([trainer.train(one, start, Rng(k)) for k, one in enumerate(peers)])
    rows = torch.zeros_like(expected)
    Team(network, execution).train((Work(trainer, one, Rng(k), rows[k]) for k, one in enumerate(peers)), start)
    assert torch.equal(rows, expected)


SUITE = """
name = "gpu"
seeds = [0]
defenses = ["ffl"]
[poisoning]
attacks = [{ name = "sign-flip", attackers = 0.3 }]
[[poisoning.tasks]]
dataset = "photographs"
model = "cifar10-vgg16"
peers = 6
participation = 1.0
rounds = 3
batch_size = 16
learning_rate = 0.01
"""


@on_gpu
@pytest.mark.parametrize("streams", [1, 3])
def test_a_cell_comes_out_the_same_every_time(streams: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s.toml").write_text(SUITE)
    (spec,) = load_suite(str(tmp_path / "s.toml")).cells()
    monkeypatch.setattr(team_module, "STREAMS", streams)
    found = []
    execution = Execution(device="cuda:0")
    execution.prepare()
    for _ in range(2):
        federation = build_federation(spec, execution)
        found.append(run_rounds(federation, Clock("cuda:0"), lambda done, total: None, Keeper())[1])
        assert all(hand.network.recordings for hand in federation.team._others)
    assert torch.equal(*found)


@on_gpu
@pytest.mark.parametrize("signed", [True, False])
def test_a_recorded_descent_takes_the_steps_themselves(signed: bool) -> None:
    drawn = torch.Generator().manual_seed(0)
    matrix, wanted = torch.randn(30, 20, generator=drawn).to(GPU), torch.randn(30, generator=drawn).to(GPU)

    def descended(steady: bool, steps: int = 200, descents: Descents | None = None) -> Tensor:
        found = torch.zeros(20, device=GPU, requires_grad=True)
        begun = (descents or Descents()).begin()
        descend([found], lambda: (matrix @ found - wanted).square().sum(), steps, 0.1, begun, signed,
                after=lambda rate: found.clamp_(-1, 1), steady=steady)  # fmt: skip
        return found.detach()

    assert torch.equal(descended(steady=True), descended(steady=False))


@on_gpu
def test_a_descent_that_asks_for_a_number_is_not_recorded() -> None:
    found = torch.ones(5, device=GPU, requires_grad=True)
    made = descend([found], lambda: found.square().sum() * (1.0 if float(found.detach().sum()) > 0 else 2.0), 60, 0.1,
                   Descents().begin(), steady=True)  # fmt: skip
    assert made == 60
    assert float(found.detach().abs().max()) < 1


@on_gpu
def test_a_precision_is_that_of_networks_alone() -> None:
    execution = replace(Execution(device="cuda:0"), precision="tfloat32")
    execution.prepare()
    one = torch.randn(512, 512, device=GPU)
    exact = one @ one
    with execution.lowered():
        assert not torch.equal(one @ one, exact)
    assert torch.equal(one @ one, exact)
