"""A model whose tensors are views into one flat vector: an update is a subtraction, a step a few operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from fflbench.contracts import Layout

if TYPE_CHECKING:
    from fflbench.federation.native import NativeModel
    from fflbench.federation.recordings import Recordings


class Network:
    """Wraps a module. `flat[d]` holds its parameters and floating-point buffers, `gradient` the trainable part's
    gradient; both are the module's own storage. One network is reused for every peer and every evaluation."""

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        self.model = model.to(device)
        self.layout = Layout.of(model)
        self.flat = torch.empty(self.layout.size, device=device)
        self.gradient = torch.zeros(self.layout.trainable.stop, device=device)
        self.leaf = nn.Parameter(self.flat[self.layout.trainable])
        self.leaf.grad = self.gradient
        self.batch_norm = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())
        self.programs: dict[tuple[int, ...], NativeModel | None] = {}
        """By shape of one input, what `fflbench.federation.native` has made of the model."""
        self.recordings: dict[tuple[object, ...], Recordings] = {}
        """By way of training, the steps that were recorded on a GPU."""
        self._gradients: list[tuple[nn.Parameter, Tensor]] = []
        self._adopt_tensors()
        self._integer_buffers = [(b, b.clone()) for b in model.buffers() if not b.is_floating_point()]

    def load(self, vector: Tensor) -> None:
        """Set all tensors from a flat vector [d]; integer buffers return to the server's values."""
        with torch.no_grad():
            self.flat.copy_(vector)
            for buffer, value in self._integer_buffers:
                buffer.copy_(value)

    def collect_gradient(self) -> None:
        """Make sure that `gradient` holds what backward computed: `model.zero_grad()` in a plug-in detaches it."""
        for parameter, view in self._gradients:
            if parameter.grad is not view:
                if parameter.grad is not None:
                    view.copy_(parameter.grad)
                parameter.grad = view

    def _adopt_tensors(self) -> None:
        """Copy the module's tensors into the flat vector and make them views of it."""
        parameters = dict(self.model.named_parameters())
        for description, view in self.layout.split(self.flat):
            if description.trainable:
                parameter, start = parameters[description.name], description.offset
                view.copy_(parameter.detach())
                parameter.data = view
                parameter.grad = self.gradient[start : start + description.size].view(description.shape)
                self._gradients.append((parameter, parameter.grad))
            else:
                owner, _, leaf = description.name.rpartition(".")
                buffers = self.model.get_submodule(owner)._buffers
                buffer = buffers[leaf]
                assert buffer is not None
                view.copy_(buffer)
                buffers[leaf] = view
