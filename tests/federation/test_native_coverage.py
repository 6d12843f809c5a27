"""Which models the native loop takes, and who gets torch instead."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fflbench.contracts import Examples, Rng
from fflbench.extension import FLAVOURS
from fflbench.federation import native
from fflbench.federation.native import NativeModel, native_model
from fflbench.federation.network import Network
from fflbench.federation.steps import UntranslatableError
from fflbench.federation.trainer import Trainer
from fflbench.models.mlp import MLP
from fflbench.models.resnet import ResNet18
from fflbench.models.small_cnns import MnistCNN
from tests.federation.reference import CPU, TORCH, examples_of

pytestmark = pytest.mark.skipif(not FLAVOURS, reason="the native loop was not built")

IMAGE = (1, 28, 28)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layer(inputs) + inputs


class Noisy(Residual):
    """In training it does something else."""

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layer(inputs).relu() if self.training else self.layer(inputs)


class Always(Residual):
    """Functional dropout that evaluation has as well."""

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layer(nn.functional.dropout(inputs, 0.5))


class Frozen(nn.Linear):
    """A subclass may do anything."""


def watched() -> nn.Module:
    model = MLP((6,), 3)
    model.layers[0].register_forward_hook(lambda module, inputs, output: output * 2)
    return model


def frozen() -> nn.Module:
    model = MLP((6,), 3)
    model.layers[1].weight.requires_grad_(False)
    return model


@pytest.mark.parametrize(("model", "shape"), [
    (ResNet18((3, 8, 8), 4), (3, 8, 8)), (Residual(), (6,)), (Noisy(), (6,)), (Always(), (6,)),
    (nn.Sequential(Frozen(6, 3)), (6,)), (watched(), (6,)), (frozen(), (6,)),
    (nn.Sequential(nn.Conv2d(4, 4, 3, groups=2), nn.Flatten(), nn.Linear(16, 2)), (4, 4, 4)),
    (nn.Sequential(nn.Conv2d(4, 4, 2, dilation=2), nn.Flatten(), nn.Linear(16, 2)), (4, 4, 4)),
    (nn.Sequential(nn.Conv2d(4, 4, 3, padding="same"), nn.Flatten(), nn.Linear(64, 2)), (4, 4, 4)),
    (nn.Sequential(nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(16, 2)), (4, 4, 4)),
    (nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), nn.Flatten(), nn.Linear(36, 2)), (4, 5, 5)),
    (nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3, momentum=None)), (6,)),
    (nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3, affine=False)), (6,)),
    (nn.Sequential(nn.Conv2d(1, 2, 2)), (1, 4, 4)), (MLP((6,), 3), (7,)),
])  # fmt: skip
def test_other_models_stay_with_torch(model: nn.Module, shape: tuple[int, ...]) -> None:
    with pytest.raises(UntranslatableError):
        NativeModel(Network(model, CPU), shape)


class Viewed(nn.Module):
    """The ways in which people flatten."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way, self.convolution, self.output = way, nn.Conv2d(1, 3, 3), nn.Linear(12, 4)

    def forward(self, images: Tensor) -> Tensor:
        features = nn.functional.relu(self.convolution(images))
        ways = {
            "shape": lambda: features.view(features.shape[0], -1),
            "size": lambda: features.reshape(features.size(0), -1),
            "sizes": lambda: features.view(features.size()[0], 12),
            "number": lambda: features.view(-1, 12),
            "flatten": lambda: torch.flatten(features, 1),
        }
        return self.output(nn.functional.dropout(ways[self.way](), 0.5, self.training))


@pytest.mark.parametrize("way", ["shape", "size", "sizes", "number", "flatten"])
def test_functional_models_are_covered(way: str) -> None:
    model, inputs = Viewed(way), torch.randn(5, 1, 4, 4)
    network = Network(model, CPU)
    found = NativeModel(network, (1, 4, 4)).forward(inputs)
    assert model.training, "tracing leaves the mode as it was"
    with torch.no_grad():
        torch.testing.assert_close(found, network.model.eval()(inputs), atol=1e-6, rtol=1e-5)


def test_whoever_intervenes_gets_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook, another loss, evaluation mode, `engine = "torch"`, targets that torch refuses or skips, no native loop."""
    network, examples = Network(MnistCNN(10), CPU), examples_of(IMAGE, 10, 20)
    plain = Trainer(network, 1, 10, "sgd", 0.1)
    assert plain._trained_natively(examples, Rng(0))
    others = [plain.with_step(lambda flat, start: None), plain.with_gradient(lambda m, x, y, g: None),
              plain.with_loss(lambda loss: lambda m, x, y: loss(m, x, y)),
              Trainer(network, 1, 10, "sgd", 0.1, training_mode=False),
              Trainer(network, 1, 10, "sgd", 0.1, execution=TORCH)]  # fmt: skip
    for trainer in others:
        assert not trainer._trained_natively(examples, Rng(0))
    skipped = Examples(examples.inputs, torch.full((20,), -100))
    assert not plain._trained_natively(skipped, Rng(0))
    handle = network.model.register_forward_hook(lambda module, inputs, output: None)
    assert not plain._trained_natively(examples, Rng(0))
    handle.remove()
    monkeypatch.setattr(native, "FLAVOURS", ())
    assert native_model(network, plain.execution, examples.inputs) is None
    assert plain.train(examples, network.flat.clone(), Rng(0)).abs().max() > 0
