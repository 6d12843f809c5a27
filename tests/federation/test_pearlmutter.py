"""What a victim would have sent, and its derivatives by the inputs and by soft labels, in native code as by autograd.

Both sum in float32, in different orders, so both are compared with autograd in float64, as in `test_native`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import vmap

from fflbench import extension
from fflbench.attacks.reconstruction.dlg import DeepLeakage
from fflbench.attacks.reconstruction.inverting_gradients import InvertingGradients
from fflbench.attacks.reconstruction.simulation import as_trained, cosine_cost, simulated_direction
from fflbench.contracts import Observation, TaskView
from fflbench.extension import FLAVOURS
from fflbench.federation.pearlmutter import LARGEST, StraightLine, straight_line
from fflbench.federation.steps import UntranslatableError
from fflbench.layout import Layout
from fflbench.models.bilstm import BiLSTM
from fflbench.models.mlp import MLP
from fflbench.models.resnet import ResNet18
from fflbench.models.small_cnns import LeNet, StridedCNN
from tests.attacks.observing import quality, victims
from tests.federation.test_native import MODELS, networks

pytestmark = pytest.mark.skipif(not FLAVOURS, reason="the native code was not built")

RATE = 0.02
Directions = Callable[[Tensor, Tensor], Tensor]


def autograd(model: nn.Module, steps: int) -> Directions:
    task = TaskView("image", tuple("0123456789"), (1, 28, 28), (0.3,), (0.3,))
    seen = Observation(model.eval(), Layout.of(model), torch.zeros(0), None, task, steps, RATE, 1, None)  # type: ignore[arg-type]
    return lambda inputs, labels: simulated_direction(seen, inputs, labels)


def native(
    model: nn.Module, shape: tuple[int, ...], steps: int, flavour: str = FLAVOURS[0] if FLAVOURS else ""
) -> Directions:
    line = StraightLine(model, Layout.of(model), shape, flavour)
    return lambda inputs, labels: line.direction(inputs, labels, steps, RATE)


def everything(directions: Directions, inputs: Tensor, labels: Tensor) -> list[Tensor]:
    """The direction, and what a fixed share of it changes by with the inputs, and with labels that may change."""
    free = [tensor.clone().requires_grad_(tensor.is_floating_point()) for tensor in (inputs, labels)]
    found = directions(*free)
    along = torch.randn(found.shape, generator=torch.Generator().manual_seed(5)).to(found)
    return [found.detach(), *torch.autograd.grad(found @ along, [tensor for tensor in free if tensor.requires_grad])]


def assert_same(
    model: nn.Module, inputs: Tensor, labels: Tensor, steps: int, flavour: str = FLAVOURS[0] if FLAVOURS else ""
) -> None:
    """As near to what is right as autograd comes. A ReLU or a pooling where two sides are nearly equal may go the other way,
    which is no error: then slightly other inputs decide."""
    errors: list[list[float]] = []
    for factor in (1.0, 0.99, 1.01):
        given = inputs * factor
        exact = everything(autograd(copy.deepcopy(model).double(), steps), given.double(), raised(labels))
        usual = everything(autograd(model, steps), given, labels)
        found = everything(native(model, tuple(inputs.shape[1:]), steps, flavour), given, labels)
        errors.append([float((mine - right).abs().max() / (4 * (theirs - right).abs().max() + 2e-6 * right.abs().max() + 1e-9))
                       for mine, theirs, right in zip(found, usual, exact, strict=True)])  # fmt: skip
        if max(errors[-1]) <= 1:
            return
    raise AssertionError(f"found {errors} times the error that is usual")


def raised(labels: Tensor) -> Tensor:
    return labels.double() if labels.is_floating_point() else labels


def drawn(shape: tuple[int, ...], classes: int, count: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, *shape, generator=generator), torch.randint(max(2, classes), (count,), generator=generator)


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("name", MODELS)
def test_as_autograd(name: str, steps: int, flavour: str) -> None:
    model, shape, classes = MODELS[name]
    assert_same(model, *drawn(shape, classes), steps, flavour)


@pytest.mark.parametrize("name", ["lenet", "adult-mlp"])
@pytest.mark.parametrize("steps", [1, 3])
def test_labels_that_are_probabilities(name: str, steps: int) -> None:
    """Of several classes, and of one logit; not quite summing to one, as a search may leave them."""
    model, shape, classes = MODELS[name]
    inputs, _ = drawn(shape, classes)
    soft = torch.rand(3, classes, generator=torch.Generator().manual_seed(2))
    assert_same(model, inputs, soft[:, 0] if classes == 1 else 1.01 * soft / soft.sum(1, keepdim=True), steps)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(networks(), st.integers(1, 5), st.integers(1, 3), st.sampled_from(FLAVOURS or ("",)))
def test_networks_of_any_shape(given: tuple[nn.Module, tuple[int, ...], int], count: int, steps: int, flavour: str) -> None:
    model, shape, classes = given
    assert_same(model, *drawn(shape, classes, count), steps, flavour)


@pytest.mark.parametrize("steps", [1, 2])
def test_starts_side_by_side_are_each_as_alone(steps: int) -> None:
    model, shape, _ = MODELS["strided-cnn"]
    directions, labels = native(model, shape, steps), torch.tensor([1, 4])
    starts = torch.randn(5, 2, *shape)
    together, alone = starts.clone().requires_grad_(), starts.clone().requires_grad_()
    found = vmap(lambda start: directions(start, labels))(together)
    expected = torch.stack([directions(start, labels) for start in alone])
    assert torch.equal(found, expected)
    (mine,), (theirs,) = (torch.autograd.grad(d.square().sum(), s) for d, s in ((found, together), (expected, alone)))
    torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=0)


def test_several_ways_there_before_the_ways_back() -> None:
    """As a cost of two peers has them; and rooms that are used again hold nothing of before."""
    model, shape, _ = MODELS["lenet"]
    directions = native(model, shape, 2)
    many, few = torch.randn(4, *shape), torch.randn(1, *shape)

    def back(inputs: Tensor, before: Callable[[], object] = lambda: None) -> Tensor:
        free = inputs.clone().requires_grad_()
        value = directions(free, torch.arange(len(inputs))).square().sum()
        before()
        return torch.autograd.grad(value, free)[0]

    first = back(few)
    back(torch.full_like(many, torch.nan))
    assert torch.equal(back(few, lambda: back(many)), first)
    assert torch.equal(back(few), first)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_is_not_finite_stays_so(value: float) -> None:
    model, shape, _ = MODELS["lenet"]
    inputs = torch.zeros(1, *shape)
    inputs[0, 0, 3, 4] = value
    found, slope = everything(native(model, shape, 1), inputs, torch.tensor([3]))
    expected, _ = everything(autograd(model, 1), inputs, torch.tensor([3]))
    assert torch.equal(found.isnan(), expected.isnan())
    assert slope.isnan().any()


class TestWhereItIsUsed:
    def line(self, model: nn.Module, shape: tuple[int, ...], training_mode: bool = False) -> StraightLine | None:
        return straight_line(model.eval(), Layout.of(model), shape, training_mode, FLAVOURS[0])

    def test_autograd_does_what_is_not_a_small_straight_line(self) -> None:
        model, shape, _ = MODELS["adult-mlp"]
        assert self.line(model, shape) is not None
        assert self.line(model, shape, training_mode=True) is None, "batch norm of the batch"
        assert self.line(ResNet18((3, 16, 16), 10), (3, 16, 16)) is None
        assert self.line(BiLSTM(50, 4, 3), (9,)) is None, "a network that reads, which the native loop trains"
        large = MLP((1, 28, 28), 10, (200,))
        assert sum(p.numel() for p in large.parameters()) > LARGEST
        assert self.line(large, (1, 28, 28)) is None

    def test_one_is_kept_for_each_instruction_set(self) -> None:
        model = StridedCNN((1, 8, 8), 10).eval()
        first, again = ([straight_line(model, Layout.of(model), (1, 8, 8), False, name) for name in FLAVOURS] for _ in "12")
        assert list(map(id, first)) == list(map(id, again))
        assert len(set(map(id, first))) == len(FLAVOURS)

    def test_hooks_are_called(self) -> None:
        model = StridedCNN((1, 8, 8), 10)
        assert self.line(model, (1, 8, 8)) is not None
        handle = model.conv1.register_forward_hook(lambda *_: None)
        assert self.line(model, (1, 8, 8)) is None
        handle.remove()
        assert self.line(model, (1, 8, 8)) is not None

    def test_frozen_layers_are_no_straight_line(self) -> None:
        model = StridedCNN((1, 8, 8), 10)
        model.conv1.weight.requires_grad_(False)
        with pytest.raises(UntranslatableError):
            StraightLine(model, Layout.of(model), (1, 8, 8), FLAVOURS[0])

    def test_only_cells_that_native_code_computes(self) -> None:
        images, seen = victims(1, model=StridedCNN)[0]
        assert seen.labels is not None
        inputs = seen.task.normalise(images)
        usual = simulated_direction(seen, inputs, seen.labels)
        extension.use_inexact(True)
        found = simulated_direction(seen, inputs, seen.labels)
        line = straight_line(seen.model, seen.layout, seen.task.input_shape, False, FLAVOURS[0])
        assert line is not None
        assert torch.equal(found, line.direction(inputs, seen.labels, seen.steps, seen.learning_rate))
        assert not torch.equal(found, usual)
        assert (found - usual).norm() < 1e-5 * usual.norm()

    def test_a_model_in_training_mode_without_its_dropout(self) -> None:
        _, seen = victims(1, model=LeNet)[0]
        seen = Observation(**{**vars(seen), "training_mode": True})
        assert seen.labels is not None
        truth = seen.task.normalise(victims(1, model=LeNet)[0][0])
        extension.use_inexact(True)
        with as_trained(seen):
            assert float(cosine_cost(seen)(truth, seen.labels)) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(("attack", "model"), [
    (InvertingGradients(steps=200, total_variation=1e-3), StridedCNN),
    (InvertingGradients(steps=200, restarts=4, total_variation=1e-3), LeNet),
    (DeepLeakage(steps=20), LeNet),
])  # fmt: skip
def test_attacks_find_as_much(attack: Any, model: type[nn.Module]) -> None:
    """Descents are chaotic, so pictures are compared by how well they are found: of several victims, and on the same bits
    again."""
    seen = victims(4, model=model)
    usual = quality(attack, seen)
    extension.use_inexact(True)
    found = quality(attack, seen)
    assert torch.equal(quality(attack, seen), found)
    assert abs(found.mean() - usual.mean()) < 1.5


def test_the_door_is_checked() -> None:
    model, shape, _ = MODELS["lenet"]
    line = StraightLine(model, Layout.of(model), shape, FLAVOURS[0])
    parameters, images, targets = (
        np.zeros(Layout.of(model).size, np.float32),
        np.zeros((1, 2, 784), np.float32),
        np.zeros((2, 10), np.float32),
    )
    tape = extension.native.Tape()
    with pytest.raises(ValueError, match="tape"):
        line._descent.backward(tape, np.zeros((1, Layout.of(model).trainable.stop), np.float32))
    line._descent.forward(tape, parameters, images, targets, 1, 0.1)
    for wrong in (
        {"parameters": parameters[1:]},
        {"inputs": images[..., 1:].copy()},
        {"targets": targets[:1]},
        {"steps": 0},
    ):
        given = {"parameters": parameters, "inputs": images, "targets": targets, "steps": 1, "rate": 0.1, **wrong}
        with pytest.raises(ValueError, match=next(iter(wrong))):
            line._descent.forward(tape, **given)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="slopes"):
        line._descent.backward(tape, np.zeros((2, 5), np.float32))
    with pytest.raises(ValueError, match="linear layer at the end"):
        extension.native.Descent([extension.native.Layer("relu")], (1, 4, 4), 3, 3, FLAVOURS[0])
