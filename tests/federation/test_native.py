"""The native loop trains and evaluates as torch does.

Both sum in float32, in different orders. So they are compared with the same training in float64: the native loop has to come
as near to it as torch does, up to a small factor and a few units in the last place. With the same instruction set it is
deterministic to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from fflbench.contracts import Examples, Rng
from fflbench.extension import FLAVOURS
from fflbench.federation import native
from fflbench.federation.native import NativeModel
from fflbench.federation.network import Network
from fflbench.federation.trainer import Trainer
from fflbench.models.convnet64 import ConvNet64
from fflbench.models.mlp import MLP, AdultMLP
from fflbench.models.small_cnns import LeNet, MnistCNN, StridedCNN
from tests.federation.reference import CPU, exact_update, examples_of, native_update, start_of, torch_update

pytestmark = pytest.mark.skipif(not FLAVOURS, reason="the native loop was not built")

IMAGE = (1, 28, 28)
SGD: dict[str, Any] = {"optimiser": "sgd", "learning_rate": 0.05, "momentum": 0.9, "weight_decay": 5e-4}
ADAM: dict[str, Any] = {"optimiser": "adam", "learning_rate": 0.002, "weight_decay": 1e-3}
with torch.random.fork_rng(devices=[]):
    torch.manual_seed(0)
    MODELS: dict[str, tuple[nn.Module, tuple[int, ...], int]] = {
        "mnist-cnn": (MnistCNN(10), IMAGE, 10),
        "lenet": (LeNet(IMAGE, 10), IMAGE, 10),
        "strided-cnn": (StridedCNN((3, 15, 17), 10), (3, 15, 17), 10),
        "adult-mlp": (AdultMLP((10,)), (10,), 1),
        "mlp": (MLP(IMAGE, 10, (33, 20)), IMAGE, 10),
        "convnet64": (ConvNet64((3, 18, 18), 10, width=3), (3, 18, 18), 10),
    }


def assert_same_training(model: nn.Module, examples: Examples, flavour: str = "", **settings: Any) -> Tensor:
    """Returns the update. Torch's own error covers what a network makes of small differences. A ReLU or a pooling where two
    sides are nearly equal may go the other way, which is no error: then slightly other examples decide."""
    start, rng, errors = start_of(model), Rng(3).at("training", peer=1), list[float]()
    for factor in (1.0, 0.99, 1.01):
        inputs = Examples((examples.inputs * factor).to(examples.inputs.dtype), examples.targets)
        right = exact_update(model, inputs, start, rng, **settings)
        usual = float((torch_update(model, inputs, start, rng, **settings) - right).abs().max())
        found = native_update(model, inputs, start, rng, flavour, **settings)
        errors.append(float((found - right).abs().max()) / (4 * usual + 1e-6 * max(1.0, float(right.abs().max()))))
        if errors[-1] <= 1:
            return found
    raise AssertionError(f"found {errors} times the error that is usual")


@pytest.mark.parametrize("optimiser", [SGD, ADAM], ids=["sgd", "adam"])
@pytest.mark.parametrize("name", MODELS)
def test_an_epoch_equals_torch(name: str, optimiser: dict[str, Any]) -> None:
    """With a ragged last batch."""
    model, shape, classes = MODELS[name]
    update = assert_same_training(model, examples_of(shape, classes, 130), epochs=1, batch_size=50, **optimiser)
    assert update.abs().max() > 1e-3


@pytest.mark.parametrize(("count", "batch", "drop_last"), [
    (1, 64, False), (15, 64, False), (17, 64, True), (130, 200, False), (40, 16, True), (33, 32, False), (5, 1, False),
])  # fmt: skip
@pytest.mark.parametrize("name", ["mnist-cnn", "mlp"])
def test_batches_of_every_size(name: str, count: int, batch: int, drop_last: bool) -> None:
    model, shape, classes = MODELS[name]
    values = {**SGD, "learning_rate": 0.01}
    assert_same_training(model, examples_of(shape, classes, count), epochs=2, batch_size=batch, drop_last=drop_last,
                         **values)  # fmt: skip


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("name", MODELS)
def test_every_instruction_set_is_right(name: str, flavour: str) -> None:
    model, shape, classes = MODELS[name]
    examples = examples_of(shape, classes, 40)
    assert_same_training(model, examples, flavour, epochs=1, batch_size=20, **SGD)
    if flavour == "avx2" and "avx512" in FLAVOURS:
        rng = Rng(3).at("training", peer=1)
        mine, other = (native_update(model, examples, start_of(model), rng, name, epochs=1, batch_size=20, **SGD)
                       for name in ("avx2", "avx512"))  # fmt: skip
        assert torch.equal(mine, other), "both multiply and add at once, in the same order"


def shape_after(layers: list[nn.Module], shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(nn.Sequential(*layers).eval()(torch.zeros(1, *shape)).shape[1:])


@st.composite
def networks(draw: st.DrawFn) -> tuple[nn.Module, tuple[int, ...], int]:
    """Convolutions with windows, strides and paddings of all kinds, and what may follow them."""
    first = shape = (draw(st.integers(1, 4)), draw(st.integers(5, 14)), draw(st.integers(5, 14)))
    layers: list[nn.Module] = []
    for _ in range(draw(st.integers(1, 3))):
        kernel = (draw(st.integers(1, min(5, shape[1]))), draw(st.integers(1, min(5, shape[2]))))
        stride, padding, width = draw(st.integers(1, 3)), draw(st.integers(0, min(kernel) - 1)), draw(st.integers(1, 13))
        layers.append(nn.Conv2d(shape[0], width, kernel, stride, padding, bias=draw(st.booleans())))
        layers += [AFTER[name](width) for name in draw(st.lists(st.sampled_from(sorted(AFTER)), max_size=3, unique=True))]
        shape = shape_after(layers, first)
        if min(shape[1:]) >= 3 and draw(st.booleans()):
            layers += [nn.MaxPool2d(*draw(st.sampled_from([(2,), (3, 2, 1), ((2, 3), 1)]))), nn.ReLU()]
            shape = shape_after(layers, first)
    classes = draw(st.integers(1, 11))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(math.prod(shape), classes)), first, classes


AFTER: dict[str, Callable[[int], nn.Module]] = {
    "relu": lambda width: nn.ReLU(),
    "tanh": lambda width: nn.Tanh(),
    "sigmoid": lambda width: nn.Sigmoid(),
    "dropout2d": lambda width: nn.Dropout2d(0.3),
    "dropout": lambda width: nn.Dropout(0.2),
    "norm": nn.BatchNorm2d,
    "nothing": lambda width: nn.Identity(),
}


@settings(max_examples=40, deadline=None, derandomize=True)
@given(networks(), st.integers(2, 100), st.integers(2, 200), st.sampled_from(FLAVOURS or ("",)))
def test_networks_of_any_shape(drawn: tuple[nn.Module, tuple[int, ...], int], count: int, batch: int, flavour: str) -> None:
    model, shape, classes = drawn
    batch = max(batch, count // 2)
    assert_same_training(model, examples_of(shape, classes, count), flavour, epochs=1, batch_size=batch, **SGD)


def test_a_padding_wider_than_the_window() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, (1, 2), 2, padding=4), nn.Flatten(), nn.Linear(3 * 6 * 5, 4))
    assert_same_training(model, examples_of((2, 4, 3), 4, 20), epochs=1, batch_size=20, **SGD)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(1, 70), st.lists(st.integers(1, 70), max_size=2), st.integers(1, 12), st.integers(2, 200), st.booleans())
def test_perceptrons_of_any_width(inputs: int, hidden: list[int], classes: int, count: int, norm: bool) -> None:
    layers: list[nn.Module] = []
    width = inputs
    for wide in hidden:
        layers += [nn.Linear(width, wide, bias=norm), nn.ReLU(), *([nn.BatchNorm1d(wide)] if norm else []), nn.Dropout(0.4)]
        width = wide
    model = nn.Sequential(*layers, nn.Linear(width, classes))
    assert_same_training(model, examples_of((inputs,), classes, count), epochs=1, batch_size=100, **SGD)


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("name", MODELS)
def test_evaluation_equals_torch(name: str, flavour: str) -> None:
    model, shape, classes = MODELS[name]
    network, inputs = Network(model, CPU), examples_of(shape, classes, 77).inputs
    network.model.eval()
    with torch.no_grad():
        expected = network.model(inputs)
    torch.testing.assert_close(NativeModel(network, shape, flavour).forward(inputs), expected, atol=1e-5, rtol=1e-4)


CENTRE = {"lenet": 12, "convnet64": 4}
"""A weight that never meets the padding: whether zero times infinity counts there is different in torch's own kernels."""


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["mnist-cnn", "lenet", "adult-mlp", "convnet64"])
def test_what_is_not_finite_shows_as_in_torch(name: str, value: float, flavour: str) -> None:
    """In an input, and in a weight: the same outputs are finite, and so are the same parameters after a step."""
    model, shape, classes = MODELS[name]
    network = Network(model, CPU)
    program, clean = NativeModel(network, shape, flavour), network.flat.clone()
    network.model.eval()
    for place in ("input", "weight"):
        inputs = examples_of(shape, classes, 20).inputs
        network.flat.copy_(clean)
        if place == "input":
            inputs[3].view(-1)[5] = value
        else:
            network.flat[CENTRE.get(name, 2)] = value
        with torch.no_grad():
            expected = network.model(inputs)
        found = program.forward(inputs)
        assert torch.equal(expected.isnan(), found.isnan())
        torch.testing.assert_close(found, expected, equal_nan=True, atol=1e-4, rtol=1e-3)
        examples = Examples(inputs, torch.zeros(20, dtype=torch.long))
        steps: dict[str, Any] = {"epochs": 1, "batch_size": 20, **SGD}
        update = torch_update(model, examples, network.flat.clone(), Rng(0), **steps)
        mine = native_update(model, examples, network.flat.clone(), Rng(0), flavour, **steps)
        assert torch.equal(update.isfinite(), mine.isfinite())
    network.flat.copy_(clean)


@pytest.mark.parametrize("window", [2, 3])
def test_max_pooling_keeps_a_nan_and_the_first_of_equals(window: int) -> None:
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.MaxPool2d(window), nn.Flatten(), nn.Linear(4, 2))
    inputs = torch.randint(0, 2, (30, 1, 2 * window, 2 * window)).float()
    examples = Examples(inputs, torch.randint(0, 2, (30,)))
    assert_same_training(model, examples, epochs=1, batch_size=30, **SGD)
    network = Network(model, CPU)
    inputs[4, 0, 1, 1] = float("nan")
    assert NativeModel(network, tuple(inputs.shape[1:])).forward(inputs).isnan().any(1).nonzero().tolist() == [[4]]


def test_dropout_keeps_its_share_and_differs_by_batch_and_stream() -> None:
    program = NativeModel(Network(MnistCNN(10), CPU), IMAGE)
    (channels, units), (later, _) = program.masks([600, 600], seed=5)
    assert channels.shape == (600, 20)
    assert units.shape == (600, 50)
    assert set(units.unique().tolist()) == {0.0, 2.0}
    assert abs(float(units.mean()) - 1) < 0.05
    assert not torch.equal(channels, later)
    assert not torch.equal(channels, program.masks([600], seed=6)[0][0])
    assert torch.equal(channels, program.masks([600], seed=5)[0][0])


def test_training_depends_on_nothing_that_ran_before() -> None:
    trainer = Trainer(Network(MnistCNN(10), CPU), 1, 32, "sgd", 0.1, 0.9)
    start, examples = trainer.network.flat.clone(), examples_of(IMAGE, 10, 100)
    first = trainer.train(examples, start, Rng(0).at("training", peer=1))
    trainer.train(examples_of(IMAGE, 10, 333, seed=1), start, Rng(0).at("training", peer=2))
    assert torch.equal(first, trainer.train(examples, start, Rng(0).at("training", peer=1)))


@pytest.mark.parametrize(("wrong", "why"), [
    ({"targets": np.full(4, 10)}, "class"), ({"targets": np.full(4, -1)}, "class"), ({"targets": np.zeros(3, int)}, "each"),
    ({"orders": np.full((1, 4), 4)}, "outside"), ({"orders": np.full((1, 4), -1)}, "outside"), ({"batch": 0}, "batch"),
    ({"inputs": np.zeros((4, 783), np.float32)}, "width"), ({"parameters": np.zeros(7, np.float32)}, "size"),
])  # fmt: skip
def test_the_door_is_shut_to_what_would_be_read_out_of_bounds(wrong: dict[str, Any], why: str) -> None:
    network = Network(MnistCNN(10), CPU)
    program = NativeModel(network, IMAGE)._program
    values: dict[str, Any] = {
        "parameters": network.flat.numpy(), "inputs": np.zeros((4, 784), np.float32), "targets": np.zeros(4, np.int64),
        "orders": np.arange(4)[None], "batch": 2, "optimiser": native.optimiser("sgd", 0.1, 0, 0), "seed": 1,
    }  # fmt: skip
    program.train(**values)
    with pytest.raises(ValueError, match=why):
        program.train(**values | wrong)
    with pytest.raises(TypeError):
        program.train(**values | {"inputs": np.zeros((4, 784))})
