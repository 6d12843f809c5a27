"""Where a model's tensors lie in the flat vector."""

import pytest
import torch
from torch import nn

from fflbench.contracts import Layout
from fflbench.errors import UserError
from fflbench.federation.network import Network
from fflbench.models.mlp import AdultMLP


def test_trainable_first_then_float_buffers_without_integer_ones() -> None:
    layout = Layout.of(AdultMLP((10,)))
    names = [p.name for p in layout.parameters]
    assert names[-4:] == ["norm1.running_mean", "norm1.running_var", "norm2.running_mean", "norm2.running_var"]
    assert not any("num_batches" in name for name in names)
    trainable = 10 * 64 + 64 + 64 * 64 + 64 + 64 + 1 + 4 * 64
    assert layout.trainable == slice(0, trainable)
    assert layout.size == trainable + 4 * 64
    assert [p.offset for p in layout.parameters] == [sum(q.size for q in layout.parameters[:i]) for i in range(len(names))]


def test_last_layer_is_the_output_weight_and_bias() -> None:
    layout = Layout.of(AdultMLP((10,)))
    rows = torch.arange(2 * layout.size, dtype=torch.float32).view(2, -1)
    weight, bias = layout.view(rows, "output.weight"), layout.view(rows, "output.bias")
    assert weight.shape == (2, 1, 64)
    assert bias.shape == (2, 1)
    assert torch.equal(rows[:, layout.last_layer], torch.cat([weight.flatten(1), bias], dim=1))
    assert torch.equal(rows[:, layout.last_weight], weight.flatten(1))


def test_unknown_tensor_and_untrainable_model_are_named() -> None:
    layout = Layout.of(nn.Linear(2, 1))
    with pytest.raises(KeyError, match=r"'wieght' is not in this layout: weight, bias"):
        layout.view(torch.zeros(3), "wieght")
    with pytest.raises(UserError, match="ReLU: has no trainable parameter"):
        Layout.of(nn.ReLU())


def test_network_is_the_module_itself() -> None:
    """Loading a vector changes the module's output; training statistics land in the vector."""
    network = Network(AdultMLP((10,)), torch.device("cpu"))
    start = network.flat.clone()
    network.model.train()
    network.model(torch.randn(8, 10))
    assert not torch.equal(network.flat, start)
    moved = [
        p.name for p, view in network.layout.split(network.flat) if not torch.equal(view, network.layout.view(start, p.name))
    ]
    assert moved == ["norm1.running_mean", "norm1.running_var", "norm2.running_mean", "norm2.running_var"]
    network.load(torch.zeros(network.layout.size))
    assert all(not p.any() for p in network.model.parameters())
    assert int(network.model.norm1.num_batches_tracked) == 0
