"""A network as a plain chain of layers, each linear in its inputs, with an activation after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

Activation = Literal["identity", "relu", "leaky", "sigmoid", "tanh"]
_ACTIVATIONS: dict[Any, Activation] = {
    nn.ReLU: "relu", nn.LeakyReLU: "leaky", nn.Sigmoid: "sigmoid", nn.Tanh: "tanh",
    F.relu: "relu", F.leaky_relu: "leaky", torch.relu: "relu", torch.sigmoid: "sigmoid", torch.tanh: "tanh",
    "relu": "relu", "sigmoid": "sigmoid", "tanh": "tanh",
}  # fmt: skip
_SHAPES = (nn.Flatten, nn.Identity, nn.Dropout, torch.flatten, "flatten", "contiguous")


@dataclass
class Link:
    """A convolution or linear layer by name, the activation after it (with the slope of a leaky one), and the shapes of one
    example before and after the layer."""

    name: str
    layer: nn.Conv2d | nn.Linear
    activation: Activation = "identity"
    slope: float = 0.01
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()


class NotAChainError(Exception):
    """Says what stands in the way."""


def chain_of(model: nn.Module, input_shape: tuple[int, ...]) -> list[Link]:
    """The links of a network in order. Raises `NotAChainError` when it is anything else."""
    try:
        graph = fx.symbolic_trace(model)
    except Exception as error:
        raise NotAChainError(f"{type(model).__name__} cannot be traced") from error
    links: list[Link] = []
    modules = dict(graph.named_modules())
    for node in graph.graph.nodes:
        if node.op in ("placeholder", "output"):
            continue
        if len(node.all_input_nodes) != 1 or len(node.users) != 1:
            raise NotAChainError(f"{type(model).__name__} branches at {node.name}")
        module = modules.get(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            links.append(Link(str(node.target), module))
        else:
            _apply(links, node, module)
    if not links:
        raise NotAChainError(f"{type(model).__name__} has no layers")
    _measure(links, input_shape)
    return links


def _apply(links: list[Link], node: fx.Node, module: nn.Module | None) -> None:
    """Note an activation; pass over what only reshapes."""
    kind = type(module) if module is not None else node.target
    if kind in _ACTIVATIONS and links and links[-1].activation == "identity":
        links[-1].activation = _ACTIVATIONS[kind]
        if kind is F.leaky_relu:
            links[-1].slope = float(node.kwargs.get("negative_slope", node.args[1] if len(node.args) > 1 else 0.01))  # type: ignore[arg-type]
        elif isinstance(module, nn.LeakyReLU):
            links[-1].slope = module.negative_slope
    elif kind not in _SHAPES:
        raise NotAChainError(
            f"the network has {node.name}, which is neither a convolution, a linear layer nor an activation"
        )


def _measure(links: list[Link], input_shape: tuple[int, ...]) -> None:
    shape = input_shape
    for link in links:
        if isinstance(link.layer, nn.Linear):
            shape = (torch.Size(shape).numel(),)
        link.before = shape
        with torch.no_grad():
            device = link.layer.weight.device
            shape = tuple(link.layer(torch.zeros((1, *shape), device=device)).shape[1:])
        link.after = shape


def inverse(values: Tensor, link: Link) -> tuple[Tensor, Tensor, Tensor]:
    """From activations to what was there before them: the values, where they are known, and the activation's slope there."""
    everywhere = torch.ones_like(values, dtype=torch.bool)
    if link.activation == "relu":
        return values, values > 0, (values > 0).to(values)
    if link.activation == "leaky":
        slopes = torch.where(values > 0, 1.0, link.slope).to(values)
        return values / slopes, everywhere, slopes
    if link.activation == "sigmoid":
        inside = values.clamp(1e-12, 1 - 1e-12)
        return inside.logit(), everywhere, inside * (1 - inside)
    if link.activation == "tanh":
        inside = values.clamp(-1 + 1e-12, 1 - 1e-12)
        return inside.atanh(), everywhere, 1 - inside.square()
    return values, everywhere, torch.ones_like(values)
