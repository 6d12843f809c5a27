"""Server optimisers by hand over rounds; FedProx and FedSGD through a trainer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from fflbench.contracts import Examples, Layout, Parameter, Rng, Round
from fflbench.defenses.optimisation.fedadam import ServerAdam
from fflbench.defenses.optimisation.fedavgm import ServerMomentum
from fflbench.defenses.optimisation.fedprox import Proximal
from fflbench.defenses.optimisation.fedsgd import OneGradient
from fflbench.defenses.optimisation.fedyogi import ServerYogi
from fflbench.federation.loss import task_loss
from fflbench.federation.network import Network
from fflbench.federation.trainer import Trainer
from fflbench.models.mlp import MLP

MakeRound = Callable[..., Round]
LAYOUT = Layout((Parameter("w", (1,), 0, 1, True), Parameter("running", (1,), 1, 1, False)))


def steps(part: Any, values: list[float], make_round: MakeRound) -> list[list[float]]:
    """The steps for aggregates of one weight; the buffer beside it always moves by 5."""
    found = []
    for index, value in enumerate(values):
        round_ = make_round(torch.zeros(2, 2), index=index)
        round_.layout = LAYOUT
        found.append(part.step(torch.tensor([value, 5.0]), round_).tolist())
    return found


def test_momentum_adds_up(make_round: MakeRound) -> None:
    assert steps(ServerMomentum(momentum=0.5, rate=2.0), [1.0, 1.0, 0.0], make_round) == [[2, 5], [3, 5], [1.5, 5]]


def test_adam_follows_its_recurrence(make_round: MakeRound) -> None:
    """beta1 = beta2 = 1/2, tau = 1: m = 1, v = (1 + 4)/2; then m = 1/2, v = 5/4."""
    found = steps(ServerAdam(rate=3.0, beta1=0.5, beta2=0.5, tau=1.0), [2.0, 0.0], make_round)
    assert found[0] == [pytest.approx(3 * 1 / (2.5**0.5 + 1)), 5]
    assert found[1] == [pytest.approx(3 * 0.5 / (1.25**0.5 + 1)), 5]


def test_yogi_moves_its_second_moment_by_bounded_steps(make_round: MakeRound) -> None:
    """v = 1, then 1 + 4/2 = 3 (it rises), then 3 - 1/2 (it falls by half of 1, not towards 1 by half of 2)."""
    part = ServerYogi(rate=1.0, beta1=0.5, beta2=0.5, tau=1.0)
    steps(part, [2.0], make_round)
    assert part.second.tolist() == [3]
    steps(part, [1.0], make_round)
    assert part.second.tolist() == [2.5]


def peer(make_round: Any) -> tuple[Trainer, Round, Examples]:
    torch.manual_seed(0)
    network = Network(MLP((1, 4, 4), 3, (5,)), torch.device("cpu"))
    trainer = Trainer(network, epochs=3, batch_size=5, optimiser="adam", learning_rate=0.1, weight_decay=0.0)
    round_ = make_round(torch.zeros(2, network.layout.size), weights={0: 12, 1: 30})
    round_.layout, round_.global_vector = network.layout, network.flat.clone()
    return trainer, round_, Examples(torch.rand(12, 1, 4, 4), torch.arange(12) % 3)


def test_the_proximal_term_holds_peers_near_the_global_model(make_round: Any) -> None:
    trainer, round_, examples = peer(make_round)
    lengths = [
        float(Proximal(mu=mu).local_training(trainer, 0, round_).train(examples, round_.global_vector, Rng(0)).norm())
        for mu in (0.0, 1.0, 100.0)
    ]
    assert lengths[0] == float(trainer.train(examples, round_.global_vector, Rng(0)).norm())
    assert lengths[0] > lengths[1] > lengths[2]


def test_the_proximal_gradient_is_mu_times_the_distance(make_round: Any) -> None:
    trainer, round_, examples = peer(make_round)
    pulled = Proximal(mu=2.0).local_training(trainer, 0, round_)
    trainer.network.load(round_.global_vector + 0.5)
    gradient = torch.zeros_like(trainer.network.gradient)
    pulled.gradient_hooks[0](trainer.network.model, examples.inputs, examples.targets, gradient)
    torch.testing.assert_close(gradient, torch.ones_like(gradient))


def test_fedsgd_is_one_gradient_of_all_the_data(make_round: Any) -> None:
    trainer, round_, examples = peer(make_round)
    update = OneGradient().local_training(trainer, 0, round_).train(examples, round_.global_vector, Rng(0))
    trainer.network.load(round_.global_vector)
    trainer.network.gradient.zero_()
    task_loss(trainer.network.model(examples.inputs), examples.targets).backward()
    torch.testing.assert_close(update, -0.1 * trainer.network.gradient)
