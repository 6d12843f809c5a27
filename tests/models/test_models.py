"""The tasks' networks are those of the paper: sizes, shapes, logits."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fflbench import registry
from fflbench.errors import UserError
from fflbench.parameters import construct, supplied, validate

CASES = {
    "adult-mlp": ((10,), 2, 1, 10 * 64 + 64 + 64 * 64 + 64 + 64 + 1 + 4 * 64),
    "mnist-cnn": ((1, 28, 28), 10, 10, 21_840),
    "strided-cnn": ((1, 28, 28), 10, 10, 20_490),
    "lenet": ((3, 32, 32), 10, 10, 912 + 3612 + 3612 + 7690),
    "convnet64": ((3, 32, 32), 10, 10, 2_904_970),
    "resnet18": ((3, 32, 32), 10, 10, 11_173_962),
    "cifar10-vgg16": ((3, 32, 32), 10, 10, 14_714_688 + 250_890),
    "imdb-bilstm": ((12,), 2, 1, 50 * 100 + 2 * (4 * 128 * (100 + 128 + 2)) + 513),
    "mlp": ((1, 4, 4), 3, 3, 16 * 64 + 64 + 64 * 3 + 3),
}


def build(name: str, shape: tuple[int, ...], classes: int, **values: object) -> nn.Module:
    target = registry.load("models", name)
    known = {"input_shape": shape, "classes": classes, "vocabulary": 50, "task": None}
    return construct(target, validate(target, values, name), **{key: known[key] for key in supplied(target)})


@pytest.mark.parametrize("name", CASES)
def test_size_and_shape(name: str) -> None:
    shape, classes, width, parameters = CASES[name]
    model = build(name, shape, classes).eval()
    inputs = torch.randint(0, 50, (2, *shape)) if name == "imdb-bilstm" else torch.rand(2, *shape)
    outputs = model(inputs)
    assert outputs.shape == (2, width)
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert not torch.allclose(outputs.exp().sum(1), torch.ones(2), atol=1e-3), "logits, not log-probabilities"


def test_mnist_cnn_is_the_paper_network() -> None:
    """conv5x5(10)-pool-ReLU-conv5x5(20)-dropout2d-pool-ReLU-fc50-ReLU-dropout-fc10, written out plainly."""
    model = build("mnist-cnn", (1, 28, 28), 10).eval()
    images, f = torch.rand(3, 1, 28, 28), nn.functional
    hidden = f.relu(f.max_pool2d(model.conv1(images), 2))
    hidden = f.relu(f.max_pool2d(model.conv2(hidden), 2)).reshape(3, 320)
    torch.testing.assert_close(model(images), model.output(f.relu(model.hidden(hidden))))
    assert (model.dropout2d.p, model.dropout.p) == (0.5, 0.5)


def test_vgg16_begins_as_torchvisions_so_that_images_come_through() -> None:
    """He et al. 2015 by what goes out, biases of zero. Begun as torch does, thirteen layers give every image one answer."""
    torch.manual_seed(0)
    model = build("cifar10-vgg16", (3, 32, 32), 10).eval()
    for layer in model.features:
        if isinstance(layer, nn.Conv2d):
            assert layer.weight.std().item() == pytest.approx((2 / (9 * layer.out_channels)) ** 0.5, rel=0.05)
            assert not layer.bias.any()
    first, second = model(torch.rand(2, 3, 32, 32))
    assert (first - second).norm() > 0.01 * first.norm()


def test_any_torchvision_classifier_by_name() -> None:
    model = build("torchvision", (3, 32, 32), 7, architecture="squeezenet1_1").eval()
    assert model(torch.rand(1, 3, 64, 64)).shape == (1, 7)
    with pytest.raises(UserError, match="torchvision lacks; near: resnet50"):
        build("torchvision", (3, 32, 32), 7, architecture="resnet5")
