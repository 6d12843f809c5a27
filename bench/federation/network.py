"""A model whose tensors are views into one flat vector, so that an update is a subtraction and a step a few operations."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fflbench.contracts import Layout


class Network:
    """Wraps a module. `flat[d]` holds its parameters and floating-point buffers, `gradient` the trainable part's
    gradient; both are the module's own storage. One network is reused for every peer and every evaluation."""

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        self.model = model.to(device)
        self.layout = Layout.of(model)
        self.flat = torch.empty(self.layout.size, device=device)
        trained = self.layout.trainable
        self.gradient = torch.zeros(trained.stop, device=device)
        self.leaf = nn.Parameter(self.flat[trained])
        self.leaf.grad = self.gradient
        parameters = dict(model.named_parameters())
        for description, view in self.layout.split(self.flat):
            if description.trainable:
                parameter = parameters[description.name]
                view.copy_(parameter.detach())
                parameter.data = view
                start = description.offset
                parameter.grad = self.gradient[start : start + description.size].view(description.shape)
            else:
                owner_name, _, leaf = description.name.rpartition(".")
                owner = model.get_submodule(owner_name)
                buffer = owner._buffers[leaf]
                assert buffer is not None
                view.copy_(buffer)
                owner._buffers[leaf] = view
        self._integer_buffers = [(b, b.clone()) for b in model.buffers() if not b.is_floating_point()]

    def load(self, vector: Tensor) -> None:
        """Set all tensors from a flat vector [d]; integer buffers return to the server's values."""
        with torch.no_grad():
            self.flat.copy_(vector)
            for buffer, value in self._integer_buffers:
                buffer.copy_(value)
