"""Peers that train side by side: the same to the last digit, whatever their number."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from fflbench.clock import Clock
from fflbench.contracts import Examples, Rng
from fflbench.execution import Engine, Execution
from fflbench.extension import FLAVOURS
from fflbench.federation import team as team_module
from fflbench.federation.network import Network
from fflbench.federation.rounds import run_rounds
from fflbench.federation.setup import build_federation
from fflbench.federation.team import Team, Work
from fflbench.federation.trainer import Trainer
from fflbench.keeper import Keeper
from fflbench.models.small_cnns import MnistCNN
from fflbench.suite import load_suite

pytestmark = pytest.mark.skipif(not FLAVOURS, reason="the native code was not built")

SUITE = """
name = "team"
seeds = [0]
defenses = [{defense}]
[poisoning]
attacks = [{attack}]
[[poisoning.tasks]]
dataset = "fashion-mnist-small"
model = {model}
peers = 9
participation = 0.8
rounds = 3
batch_size = 64
"""


def outcome(path: Path, abreast: int, engine: Engine, **parts: str) -> tuple[torch.Tensor, dict[str, Any]]:
    path.write_text(SUITE.format(**parts))
    (spec,) = load_suite(str(path)).cells()
    federation = build_federation(spec, Execution(engine=engine, abreast=abreast))
    history, reported = run_rounds(federation, Clock(), lambda done, total: None, Keeper())
    return reported, dict(history.curves)


@pytest.mark.parametrize("engine", ["native", "torch"])
@pytest.mark.parametrize(("attack", "defense", "model"), [
    ('"none"', '"mean"', '"mnist-cnn"'),
    ('{ name = "label-flip", source = "Sneaker", target = "Sandal", attackers = 0.3 }', '"ffl"', '"strided-cnn"'),
    ('{ name = "pgd", source = "Sneaker", target = "Sandal", attackers = 0.3 }', '"multi-krum"', '"mlp"'),
    ('{ name = "gaussian-noise", attackers = 0.3 }', '"proximal+median"', '"mlp"'),
])  # fmt: skip
def test_a_cell_does_not_depend_on_how_many_train_at_once(
    attack: str, defense: str, model: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(team_module, "FEWEST", 100)
    monkeypatch.setattr(team_module, "BLOCK", 300)
    parts = {"attack": attack, "defense": defense, "model": model}
    alone, curves = outcome(tmp_path / "s.toml", 1, engine, **parts)
    for abreast in (2, 3):
        together, others = outcome(tmp_path / "s.toml", abreast, engine, **parts)
        assert torch.equal(alone, together)
        assert curves == others


def trained(team: Team, trainer: Trainer, peers: list[Examples]) -> torch.Tensor:
    rows = torch.zeros(len(peers), trainer.network.layout.size)
    start = trainer.network.flat.clone()
    team.train((Work(trainer, one, Rng(peer), rows[peer]) for peer, one in enumerate(peers)), start)
    return rows


def test_peers_train_at_the_same_time_and_each_examples_are_taken_when_there_are_hands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two hands meet inside of the training, or wait for ever; never are more examples out than hands."""
    meeting, training = threading.Barrier(2, timeout=30), Trainer.train
    out, most = [0], [0]

    def train(self: Trainer, *arguments: Any) -> torch.Tensor:
        meeting.wait()
        done = training(self, *arguments)
        out[0] -= 1
        return done

    def examples() -> Examples:
        out[0] += 1
        most[0] = max(most[0], out[0])
        return Examples(torch.rand(40, 1, 28, 28), torch.randint(0, 10, (40,)))

    monkeypatch.setattr(Trainer, "train", train)
    network = Network(MnistCNN(10), torch.device("cpu"))
    trainer = Trainer(network, 1, 16, "sgd", 0.01)
    rows = torch.zeros(6, network.layout.size)
    work = (Work(trainer, examples(), Rng(peer), rows[peer]) for peer in range(6))
    Team(network, Execution(abreast=2)).train(work, network.flat.clone())
    assert all(row.abs().max() > 0 for row in rows)
    assert most[0] <= 3


def test_what_goes_wrong_with_a_peer_is_heard() -> None:
    network = Network(MnistCNN(10), torch.device("cpu"))
    trainer = Trainer(network, 1, 16, "sgd", 0.01)
    peers = [Examples(torch.rand(8, 1, 28, 28), torch.randint(0, 10, (8,))) for _ in range(3)]
    rows, wrong = torch.zeros(3, network.layout.size), torch.zeros(3, 5)
    work = [Work(trainer, one, Rng(0), target) for one, target in zip(peers, (rows[0], wrong[1], rows[2]), strict=True)]
    with pytest.raises(RuntimeError, match="size"):
        Team(network, Execution(abreast=2)).train(work, network.flat.clone())


class OnlyOne(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Linear(784, 8), nn.ReLU(), nn.Linear(8, 10))
        self.lock = threading.Lock()  # Cannot be copied.


def smooth() -> nn.Module:
    """Torch trains it, and it draws nothing."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.GELU(), nn.Linear(8, 10))


def drawing() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.GELU(), nn.Dropout(0.5), nn.Linear(8, 10))


@pytest.mark.parametrize("model", [smooth, drawing, OnlyOne])
def test_other_models_give_the_same_too(model: Callable[[], nn.Module]) -> None:
    network = Network(model(), torch.device("cpu"))
    trainer = Trainer(network, 1, 16, "sgd", 0.01)
    peers = [Examples(torch.rand(40, 1, 28, 28), torch.randint(0, 10, (40,))) for _ in range(3)]
    start = network.flat.clone()
    alone = trained(Team(network, Execution()), trainer, peers)
    network.load(start)
    team, inputs = Team(network, Execution(abreast=2)), torch.rand(3000, 1, 28, 28)
    state = torch.get_rng_state()
    assert torch.equal(trained(team, trainer, peers), alone)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(team.forward(start, inputs), Team(network, Execution()).forward(start, inputs))


@pytest.mark.parametrize(("model", "side_by_side"), [(smooth, True), (drawing, False), (OnlyOne, False), (MnistCNN, True)])
def test_who_trains_side_by_side(
    model: Callable[..., nn.Module], side_by_side: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, threads = Trainer.train, set()

    def train(self: Trainer, *arguments: Any) -> torch.Tensor:
        threads.add(threading.current_thread() is threading.main_thread())
        return training(self, *arguments)

    monkeypatch.setattr(Trainer, "train", train)
    network = Network(model(10) if model is MnistCNN else model(), torch.device("cpu"))
    peers = [Examples(torch.rand(40, 1, 28, 28), torch.randint(0, 10, (40,))) for _ in range(3)]
    trained(Team(network, Execution(abreast=2)), Trainer(network, 1, 16, "sgd", 0.01), peers)
    assert threads == {not side_by_side}
    hooked = Trainer(network, 1, 16, "sgd", 0.01).with_step(lambda flat, start: None)
    threads.clear()
    trained(Team(network, Execution(abreast=2)), hooked, peers)
    assert threads == {True}
