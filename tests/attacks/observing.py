"""What a curious server sees of victims whose images are known."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fflbench.contracts import Dataset, Examples, Observation, ReconstructionAttack, Rng, TaskView, Upload
from fflbench.data.photographs import Photographs
from fflbench.federation.network import Network
from fflbench.federation.trainer import Trainer
from fflbench.metrics.images import psnr
from fflbench.models.small_cnns import LeNet


def victims(
    count: int, batch: int = 1, steps: int = 1, model: type[nn.Module] = LeNet, dataset: Dataset | None = None,
) -> list[tuple[Tensor, Observation]]:  # fmt: skip
    """The images of that many victims, each with a network of its own, and what the server sees of each; labels known."""
    data = (dataset or Photographs()).load()
    shape = tuple(data.test.inputs.shape[1:])
    task = TaskView("image", data.classes, shape, data.mean, data.std)
    order = Rng(0).at("victims").numpy().permutation(len(data.test))[: count * batch].tolist()
    found = []
    for victim, row in enumerate(torch.tensor(order).view(count, batch)):
        with Rng(victim).at("model").inside_torch():
            network = Network(model(shape, len(data.classes)), torch.device("cpu"))  # type: ignore[call-arg]
        start, batch_seen = network.flat.clone(), data.test[row]
        prepared = Examples(task.normalise(batch_seen.inputs), batch_seen.targets)
        update = Trainer(network, steps, batch, "sgd", 0.01, training_mode=False).train(prepared, start, Rng(victim))
        network.load(start)
        network.model.eval()
        found.append((batch_seen.inputs, Observation(
            network.model, network.layout, update, Upload(update[None], (0,)), task, steps, 0.01, batch, batch_seen.targets,
        )))  # fmt: skip
    return found


def quality(attack: ReconstructionAttack, seen: list[tuple[Tensor, Observation]]) -> Tensor:
    """The PSNR [victims] of what the attack returns, images in the order of the labels that it was given."""
    scores = []
    for victim, (images, observation) in enumerate(seen):
        guess = attack.reconstruct(observation, Rng(victim).at("reconstruction", victim=victim))
        assert guess.inputs is not None
        scores.append(psnr(images, guess.inputs).mean())
    return torch.stack(scores)
