"""R-GAP (Zhu and Blaschko 2021): solve for the input layer by layer, from the output back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_input

from fflbench.attacks.reconstruction.chain import Link, NotAChainError, chain_of, inverse
from fflbench.contracts import Observation, Reconstruction, ReconstructionAttack, Rng, TaskView

LARGEST = 20_000_000
"""Entries of a linear system that is still solved."""
NOTHING = 1e-9
"""The share of what a system scales the most, below which the rest counts as lost."""


@dataclass
class RecursiveGradientAttack(ReconstructionAttack):
    """The bias gradient of the output layer is its upstream gradient k; with it every layer's input x solves two linear
    systems: its weight's gradient is k times x, and the layer maps x to what the next layer was found to see. Their
    solution gives k of the layer below. Where ReLU cuts, only what passed is known."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2010.07733"
    assumes: ClassVar[str] = (
        "one image, one gradient; a chain of convolutions and linear layers without pooling, wide enough"
    )
    cost: ClassVar[str] = "a least-squares problem a layer, of its input's size"
    most_examples: ClassVar[int | None] = 1
    one_gradient: ClassVar[bool] = True

    def unfit_model(self, model: nn.Module, task: TaskView) -> str | None:
        try:
            links = chain_of(model, task.input_shape)
        except NotAChainError as error:
            return f"RecursiveGradientAttack needs a chain of layers: {error}"
        if not isinstance(links[-1].layer, nn.Linear) or links[-1].layer.bias is None:
            return "RecursiveGradientAttack needs a linear output layer with a bias"
        for link in links:
            inputs, outputs = (torch.Size(shape).numel() for shape in (link.before, link.after))
            if isinstance(link.layer, nn.Conv2d) and inputs * (outputs + link.layer.weight.numel()) > LARGEST:
                return (f"RecursiveGradientAttack solves for {inputs} inputs of {link.name} from {outputs} outputs and "
                        f"{link.layer.weight.numel()} weights, which is beyond {LARGEST:,} entries")  # fmt: skip
        return None

    def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
        links = chain_of(seen.model, seen.task.input_shape)
        gradient = seen.gradient.double().nan_to_num(0.0, 0.0, 0.0)
        upstream = seen.layout.view(gradient, f"{links[-1].name}.bias")
        label = upstream.argmin().view(1)
        found, known = torch.zeros(0), torch.zeros(0)
        for index in range(len(links) - 1, -1, -1):
            link = links[index]
            weight = seen.layout.view(gradient, f"{link.name}.weight")
            if isinstance(link.layer, nn.Linear):
                found = (upstream @ weight) / upstream.square().sum().clamp(min=1e-300)
            else:
                found = solve(link, weight, upstream, found, known)
            if index:
                back = pulled_back(link, upstream)
                found, known, slopes = inverse(found, links[index - 1])
                upstream = back * slopes
        image = found.float().view(1, *seen.task.input_shape)
        return Reconstruction(seen.task.denormalise(image).nan_to_num(0.5, 0.5, 0.5), label)


def pulled_back(link: Link, upstream: Tensor) -> Tensor:
    """The gradient [inputs] with respect to a layer's input, from that with respect to its output."""
    weight = link.layer.weight.detach().double()
    if isinstance(link.layer, nn.Linear):
        return upstream @ weight
    size = link.before
    given = upstream.view(1, *link.after)
    into: Tensor = conv2d_input((1, *size), weight, given, *_geometry(link.layer))  # type: ignore[no-untyped-call]
    return into.flatten()


def solve(link: Link, gradient: Tensor, upstream: Tensor, outputs: Tensor, known: Tensor) -> Tensor:
    """The input [inputs] of a convolution: least squares over what its weight's `gradient` says, given the `upstream`
    gradient, and what its `outputs` say where they are `known`. Both are scaled to the same size."""
    layer = link.layer
    assert isinstance(layer, nn.Conv2d)
    bias = 0.0 if layer.bias is None else layer.bias.detach().double().repeat_interleave(outputs.numel() // link.after[0])
    forward, backward = operators(link, upstream)
    systems = []
    for matrix, wanted in ((forward[known], (outputs - bias)[known]), (backward, gradient.flatten())):
        size = matrix.norm()
        if size > 0:
            systems.append((matrix / size, wanted / size))
    if not systems:
        return torch.zeros(torch.Size(link.before).numel(), dtype=gradient.dtype, device=gradient.device)
    matrix, wanted = (torch.cat(parts) for parts in zip(*systems, strict=True))
    return least_squares(matrix, wanted)


def least_squares(matrix: Tensor, wanted: Tensor) -> Tensor:
    """The x [n] of least norm that brings `matrix` [m, n] @ x closest to `wanted` [m]; what is
    lost (`NOTHING`) stays out of it."""
    count = matrix.shape[1]
    if len(matrix) >= count:
        factor = torch.linalg.qr(torch.cat([matrix, wanted[:, None]], 1), mode="r").R
        matrix, wanted = factor[:count, :count], factor[:count, count]
        inverse = torch.linalg.solve_triangular(matrix, torch.eye(count).to(matrix), upper=True)
        # The norms bound the condition from above. Pivots, which take most of the time, are for what lies beyond.
        if matrix.norm() * inverse.norm() < 1 / NOTHING:
            solution: Tensor = torch.linalg.solve_triangular(matrix, wanted[:, None], upper=True)
            return solution[:, 0]
    solution = torch.linalg.lstsq(matrix.cpu(), wanted[:, None].cpu(), rcond=NOTHING, driver="gelsy").solution
    return solution[:, 0].to(wanted)


def operators(link: Link, upstream: Tensor) -> tuple[Tensor, Tensor]:
    """A convolution as matrices on its flat input: [outputs, inputs] to its output without the bias, and [weights, inputs]
    to its weight's gradient given the upstream gradient."""
    layer = link.layer
    assert isinstance(layer, nn.Conv2d)
    count = torch.Size(link.before).numel()
    weight, direction = layer.weight.detach().double(), upstream.view(link.after[0], -1)
    stride, padding, dilation, _ = _geometry(layer)
    forward, backward = [], []
    for start in range(0, count, 256):
        basis = torch.eye(count, dtype=torch.float64, device=weight.device)[start : start + 256].view(-1, *link.before)
        forward.append(F.conv2d(basis, weight, None, *_geometry(layer)).flatten(1))
        patches = F.unfold(basis, layer.kernel_size, dilation=dilation, padding=padding, stride=stride)
        backward.append((direction @ patches.transpose(1, 2)).flatten(1))
    return torch.cat(forward).T, torch.cat(backward).T


def _geometry(layer: nn.Conv2d) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int]:
    assert not isinstance(layer.padding, str)
    return layer.stride, layer.padding, layer.dilation, layer.groups
