"""Robbing the Fed (Fowl et al. 2022): a malicious server puts a layer in front that sorts the examples into bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from scipy.special import ndtri
from torch import Tensor, nn

from fflbench.attacks.reconstruction.labels import labels_of
from fflbench.contracts import Observation, Reconstruction, ReconstructionAttack, Rng, Server, TaskView

SMALL = 1e-3
"""Scale of the measurement: small parameters, so that 32-bit updates show small gradients; the next layer undoes it."""


class Imprint(nn.Module):
    """Measures how bright an image is and lets one more neuron fire for every bin below that; all neurons act alike on what
    follows, so that the gradients of neighbouring neurons differ only by the images between them."""

    def __init__(self, size: int, edges: Tensor) -> None:
        super().__init__()
        bins = len(edges)
        self.measure = nn.Linear(size, bins)
        self.spread = nn.Linear(bins, size)
        with torch.no_grad():
            self.measure.weight.fill_(SMALL / size)
            self.measure.bias.copy_(-SMALL * edges)
            self.spread.weight.fill_(1 / (SMALL * bins))
            self.spread.bias.zero_()

    def forward(self, images: Tensor) -> Tensor:
        fired = self.measure(images.flatten(1)).relu()
        changed: Tensor = images + self.spread(fired).view_as(images)
        return changed


@dataclass
class RobbingTheFed(ReconstructionAttack):
    """The server sends the network with an imprint layer of `bins` neurons in front. A neuron's weight gradient minus its
    neighbour's, divided by the same difference of bias gradients, is the image whose brightness lies between them: exactly,
    if it is alone there. The bins are even quantiles of a normal distribution with deviation `spread` of the normalised
    images' mean brightness. Works on a sum of everybody's updates just as well."""

    server: ClassVar[Server] = Server.MALICIOUS
    paper: ClassVar[str] = "https://arxiv.org/abs/2110.13057"
    assumes: ClassVar[str] = "peers train whatever network they are sent; far more bins than images; one gradient"
    cost: ClassVar[str] = "2 d bins more parameters for d pixels; the read-out is O(d bins)"

    bins: Annotated[int, Field(ge=2)] = 256
    spread: Annotated[float, Field(gt=0)] = 0.5

    def tamper(self, model: nn.Module, task: TaskView, rng: Rng) -> nn.Module:
        quantiles = (torch.arange(self.bins, dtype=torch.float64) + 0.5) / self.bins
        edges = torch.from_numpy(self.spread * ndtri(quantiles.numpy())).float()
        size = torch.Size(task.input_shape).numel()
        return nn.Sequential(Imprint(size, edges), model)

    def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
        weight, bias = (seen.layout.view(seen.gradient, f"0.measure.{part}").double() for part in ("weight", "bias"))
        weight = torch.cat([weight, weight.new_zeros(1, weight.shape[1])]).nan_to_num(0.0, 0.0, 0.0).diff(dim=0)
        bias = torch.cat([bias, bias.new_zeros(1)]).nan_to_num(0.0, 0.0, 0.0).diff()
        fullest = bias.abs().argsort(descending=True, stable=True)[: seen.examples]
        fullest = fullest[bias[fullest].abs() > 1e-4 * bias.abs().max()]
        images = seen.task.denormalise((weight[fullest] / bias[fullest][:, None]).float().view(-1, *seen.task.input_shape))
        missing = images.new_full((seen.examples - len(images), *seen.task.input_shape), 0.5)
        return Reconstruction(torch.cat([images, missing]), labels_of(seen, rng))
