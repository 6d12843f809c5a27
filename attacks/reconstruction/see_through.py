"""See Through Gradients (GradInversion, Yin et al. 2021): a squared distance, image priors, and seeds that agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from fflbench.attacks.reconstruction.batch_statistics import shown_statistics, watching
from fflbench.attacks.reconstruction.descent import boxed, descend
from fflbench.attacks.reconstruction.labels import labels_of
from fflbench.attacks.reconstruction.simulation import as_trained, squared_cost
from fflbench.contracts import Observation, Reconstruction, ReconstructionAttack, Rng
from fflbench.duration import Duration

Weight = Annotated[float, Field(ge=0)]


@dataclass
class SeeThroughGradients(ReconstructionAttack):
    """Adam on `matching` x squared distance of the gradients + `total_variation` + `magnitude` ||x||^2 + `statistics` x
    distance of the batch's statistics to those that batch norm shows + `group` x distance to the mean of all `seeds`, with
    Langevin noise of share `langevin` of the step size. `boxed` keeps pixels in [0, 1]. The seed with the least cost counts.

    Statistics of the batch show only where peers train in training mode; the paper takes the running ones of a trained
    network. The paper aligns the seeds' images before it takes their mean, which is left out here.
    """

    paper: ClassVar[str] = "https://arxiv.org/abs/2104.07586"
    assumes: ClassVar[str] = "few local steps; batch statistics help where the server sees them"
    cost: ClassVar[str] = "steps x seeds x two backward passes"

    steps: Annotated[Duration, Field(ge=1)] = 20000
    learning_rate: Annotated[float, Field(gt=0)] = 0.1
    matching: Annotated[float, Field(gt=0)] = 1e-4
    total_variation: Weight = 1e-4
    magnitude: Weight = 1e-6
    statistics: Weight = 0.1
    group: Weight = 0.01
    langevin: Weight = 0.2
    boxed: bool = True
    seeds: Annotated[int, Field(ge=1)] = 1

    def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
        labels, device = labels_of(seen, rng), seen.update.device
        shape = (seen.examples, *seen.task.input_shape)
        starts = [torch.randn(shape, generator=rng.at("start", seed=k).torch(device), device=device)
                  for k in range(self.seeds)]  # fmt: skip
        images = [start.requires_grad_() for start in starts]
        noise, cost = rng.at("langevin").torch(device), squared_cost(seen)

        def total() -> Tensor:
            centre = torch.stack([image.detach() for image in images]).mean(0)
            return torch.stack([self._one(image, labels, centre, watched, cost(image, labels)) for image in images]).sum()

        projections = [boxed(image, seen) for image in images] if self.boxed else []

        def shaken(rate: float) -> None:
            for image in images:
                image += self.langevin * rate * torch.empty_like(image).normal_(generator=noise)
            for project in projections:
                project(rate)

        shown = shown_statistics(seen)
        with as_trained(seen), watching(seen, shown) as watched:
            descend(images, total, self.steps, self.learning_rate, seen.descents.begin(), after=shaken, generator=noise)
            costs = [float(cost(image, labels).detach()) for image in images]
        best = min(range(self.seeds), key=lambda k: costs[k])
        found = seen.task.denormalise(images[best].detach()).clamp(0, 1)
        return Reconstruction(found, labels, costs[best], self.steps * self.seeds)

    def _one(self, image: Tensor, labels: Tensor, centre: Tensor, watched: list[Tensor], matched: Tensor) -> Tensor:
        """The cost of one seed's images. The forward pass of `matched` has left the statistics in `watched`."""
        total = self.matching * matched + self.total_variation * squared_variation(image)
        total = total + self.magnitude * image.square().sum() + self.group * (image - centre).square().sum()
        if watched and self.statistics:
            total = total + self.statistics * torch.stack(watched).sum()
        watched.clear()
        return total


def squared_variation(images: Tensor) -> Tensor:
    """The root of the summed squared differences between neighbours, of images [n, c, h, w]."""
    down = (images[:, :, 1:] - images[:, :, :-1]).square().sum()
    across = (images[:, :, :, 1:] - images[:, :, :, :-1]).square().sum()
    return (down + across + 1e-12).sqrt()
