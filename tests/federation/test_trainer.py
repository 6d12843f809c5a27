"""Local training equals a plain PyTorch loop, whatever the optimiser, and hooks compose."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from fflbench.contracts import Examples, Rng
from fflbench.errors import UserError
from fflbench.execution import Execution
from fflbench.federation.network import Network
from fflbench.federation.trainer import Trainer
from fflbench.models.bilstm import BiLSTM
from fflbench.models.mlp import MLP, AdultMLP
from fflbench.models.small_cnns import StridedCNN


def trainer_of(model: nn.Module, **settings: object) -> Trainer:
    values: dict[str, object] = {"epochs": 1, "batch_size": 4, "optimiser": "sgd", "learning_rate": 0.1}
    return Trainer(Network(model, torch.device("cpu")), **{**values, **settings})


def examples_of(count: int, features: int = 3, classes: int = 2, seed: int = 0) -> Examples:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, features, generator=generator)
    return Examples(inputs, torch.randint(0, classes, (count,), generator=generator))


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_whole_batch_steps_equal_torch(optimiser: str) -> None:
    model, examples = MLP((3,), 2, (5,)), examples_of(8)
    plain = copy.deepcopy(model)
    settings = {"lr": 0.05, "weight_decay": 0.01}
    steps = (
        torch.optim.SGD(plain.parameters(), momentum=0.9, **settings)
        if optimiser == "sgd"
        else torch.optim.Adam(plain.parameters(), **settings)
    )
    for _ in range(5):
        steps.zero_grad()
        nn.functional.cross_entropy(plain(examples.inputs), examples.targets).backward()
        steps.step()
    trainer = trainer_of(
        model, epochs=5, batch_size=8, optimiser=optimiser, learning_rate=0.05, momentum=0.9, weight_decay=0.01
    )
    start = trainer.network.flat.clone()
    update = trainer.train(examples, start, Rng(0))
    expected = torch.cat([p.detach().flatten() for p in plain.parameters()])
    torch.testing.assert_close(start + update, expected, atol=1e-6, rtol=1e-5)


def test_an_update_is_local_minus_global_and_does_not_depend_on_what_ran_before() -> None:
    trainer, examples = trainer_of(AdultMLP((3,)), epochs=2), examples_of(9)
    start = trainer.network.flat.clone()
    first = trainer.train(examples, start, Rng(0).at("training", peer=1))
    trainer.train(examples_of(9, seed=5), start, Rng(0).at("training", peer=2))
    again = trainer.train(examples, start, Rng(0).at("training", peer=1))
    assert torch.equal(first, again)
    assert first.abs().max() > 0


@pytest.mark.parametrize(("count", "drop_last", "sizes"), [
    (10, False, [4, 4, 2]), (10, True, [4, 4]), (9, False, [4, 4]), (3, True, [3]), (1, True, [1]), (8, True, [4, 4]),
])  # fmt: skip
def test_batches(count: int, drop_last: bool, sizes: list[int]) -> None:
    seen: list[int] = []

    def spy(loss: object) -> object:
        return lambda model, inputs, targets: (seen.append(len(inputs)), loss(model, inputs, targets))[1]

    trainer = replace(trainer_of(MLP((3,), 2)), drop_last=drop_last).with_loss(spy)
    trainer.train(examples_of(count), trainer.network.flat.clone(), Rng(0))
    assert seen == sizes


def test_every_example_is_used_once_an_epoch() -> None:
    seen: list[float] = []

    def spy(loss: object) -> object:
        return lambda model, inputs, targets: (seen.extend(inputs[:, 0].tolist()), loss(model, inputs, targets))[1]

    examples = examples_of(10)
    trainer = trainer_of(MLP((3,), 2)).with_loss(spy)
    trainer.train(examples, trainer.network.flat.clone(), Rng(0))
    assert sorted(seen) == sorted(examples.inputs[:, 0].tolist())


def test_hooks_compose() -> None:
    """A gradient hook that zeroes everything and a step hook that adds 1 leave exactly the steps."""
    trainer = trainer_of(MLP((3,), 2), batch_size=5)
    trainer = trainer.with_gradient(lambda model, x, y, gradient: gradient.zero_())
    trainer = trainer.with_step(lambda flat, start: flat.add_(1)).with_step(lambda flat, start: flat.add_(1))
    start = trainer.network.flat.clone()
    torch.testing.assert_close(trainer.train(examples_of(10), start, Rng(0)), torch.full_like(start, 4.0))


def test_evaluation_mode_training_leaves_batch_norm_alone() -> None:
    trainer = trainer_of(AdultMLP((3,)), training_mode=False)
    update = trainer.train(examples_of(8), trainer.network.flat.clone(), Rng(0))
    assert not update[trainer.network.layout.trainable.stop :].any()


def test_a_peer_without_examples_is_a_clear_error() -> None:
    trainer = trainer_of(MLP((3,), 2))
    with pytest.raises(UserError, match="a peer without examples"):
        trainer.train(examples_of(0), trainer.network.flat.clone(), Rng(0))


def test_a_plugin_that_clears_gradients_does_not_stop_training() -> None:
    """`model.zero_grad()` takes the gradients off the flat vector; a loss may well call it."""
    examples = examples_of(8)

    def clearing(loss: object) -> object:
        return lambda model, inputs, targets: (model.zero_grad(), loss(model, inputs, targets))[1]

    plain = trainer_of(MLP((3,), 2), epochs=3, execution=Execution(engine="torch"))
    start = plain.network.flat.clone()
    expected = plain.train(examples, start, Rng(0))
    assert torch.equal(plain.with_loss(clearing).train(examples, start, Rng(0)), expected)
    assert torch.equal(plain.train(examples, start, Rng(0)), expected)


@pytest.mark.parametrize(("count", "batch_size"), [(1, 4), (8, 1)])
def test_batch_norm_cannot_train_on_one_example(count: int, batch_size: int) -> None:
    trainer = trainer_of(AdultMLP((3,)), batch_size=batch_size)
    with pytest.raises(UserError, match=r"a batch of one example .* batch norm needs two"):
        trainer.train(examples_of(count), trainer.network.flat.clone(), Rng(0))


@pytest.mark.parametrize("model", [lambda: BiLSTM(50), lambda: StridedCNN((1, 8, 8), 2)], ids=["bilstm", "cnn"])
def test_bfloat16_trains_on_every_processor(model: Callable[[], nn.Module]) -> None:
    """Some have no recurrent layer in it in torch's library, and tell only when they are asked for one."""
    network = Network(model(), torch.device("cpu"))
    text = isinstance(network.model, BiLSTM)
    inputs = torch.randint(2, 50, (4, 6)) if text else torch.rand(4, 1, 8, 8)
    # One class: where the gradients of several cancel, what is left is no larger than the rounding.
    examples, start = Examples(inputs, torch.ones(4, dtype=torch.int64)), network.flat.clone()
    low, high = (Trainer(network, 1, 4, "sgd", 0.1, execution=Execution(precision=name)).train(examples, start, Rng(0))
                 for name in ("bfloat16", "float32"))  # fmt: skip
    assert not torch.equal(low, high)
    assert (low - high).norm() < 0.1 * high.norm()
    assert torch.backends.mkldnn.enabled
