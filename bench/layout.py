"""Where each tensor of a model lies in a flat vector."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from fflbench.errors import UserError


@dataclass(frozen=True)
class Parameter:
    """One tensor of a model inside a flat vector."""

    name: str
    shape: tuple[int, ...]
    offset: int
    size: int
    trainable: bool


@dataclass(frozen=True)
class Layout:
    """Where each tensor of a model lies in a flat vector of `size` entries: first the trainable parameters in the
    model's order, then the floating-point buffers (batch-norm statistics). Integer buffers stay the server's.

    >>> layout.view(updates, "fc2.bias").shape        # [m, d] -> [m, 10]
    >>> updates[:, layout.last_layer].norm(dim=1)     # the output layer's weight and bias
    """

    parameters: tuple[Parameter, ...]

    @classmethod
    def of(cls, model: nn.Module) -> Layout:
        """The layout of a model. Raises `UserError` if it has nothing to train."""
        tensors: list[tuple[str, Tensor, bool]] = [(n, p, True) for n, p in model.named_parameters() if p.requires_grad]
        if not tensors:
            raise UserError(f"model {type(model).__name__}: has no trainable parameter, needs at least one")
        tensors += [(n, b, False) for n, b in model.named_buffers() if b.is_floating_point()]
        found, offset = [], 0
        for name, tensor, trainable in tensors:
            found.append(Parameter(name, tuple(tensor.shape), offset, tensor.numel(), trainable))
            offset += tensor.numel()
        return cls(tuple(found))

    @property
    def size(self) -> int:
        last = self.parameters[-1]
        return last.offset + last.size

    @property
    def trainable(self) -> slice:
        """The part that the optimiser moves."""
        return slice(0, sum(p.size for p in self.parameters if p.trainable))

    @property
    def last_layer(self) -> slice:
        """The trainable tensors of the module registered last: for a classifier its output weight and bias, so models
        register their output layer last."""
        trained = [p for p in self.parameters if p.trainable]
        owner = trained[-1].name.rpartition(".")[0]
        start = min(p.offset for p in trained if p.name.rpartition(".")[0] == owner)
        return slice(start, trained[-1].offset + trained[-1].size)

    @property
    def last_weight(self) -> slice:
        """The last trainable tensor with two or more dimensions: a classifier's output weight without its bias."""
        weight = next((p for p in reversed(self.parameters) if p.trainable and len(p.shape) > 1), None)
        return slice(weight.offset, weight.offset + weight.size) if weight else self.last_layer

    def view(self, flat: Tensor, name: str) -> Tensor:
        """The named tensor inside `flat[..., d]`, as a view of shape [..., *shape]."""
        parameter = next((p for p in self.parameters if p.name == name), None)
        if parameter is None:
            raise KeyError(f"{name!r} is not in this layout: {', '.join(p.name for p in self.parameters)}")
        part = flat[..., parameter.offset : parameter.offset + parameter.size]
        return part.view(*flat.shape[:-1], *parameter.shape)

    def split(self, flat: Tensor) -> Iterator[tuple[Parameter, Tensor]]:
        """Every tensor of `flat[d]` with its description, as views."""
        for parameter in self.parameters:
            yield parameter, flat[parameter.offset : parameter.offset + parameter.size].view(parameter.shape)
