"""What a curious server sees of victims whose images are known."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fflbench.contracts import Dataset, Examples, Observation, ReconstructionAttack, Rng, TaskView, Upload
from fflbench.data.photographs import Photographs
from fflbench.execution import Execution
from fflbench.federation.network import Network
from fflbench.federation.trainer import Trainer
from fflbench.metrics.images import psnr
from fflbench.models.small_cnns import LeNet


def seen_by_server(
    model: nn.Module, task: TaskView, examples: Examples, steps: int = 1, rate: float = 0.01, known: bool = True,
    training_mode: bool = False,
) -> Observation:  # fmt: skip
    """What the server sees of a victim with these examples, in data range."""
    network = Network(model, examples.inputs.device)
    start = network.flat.clone()
    # As in an observed round: attacks invert torch's gradients to the last digits.
    torch_only = Execution(engine="torch")
    trainer = Trainer(network, steps, len(examples), "sgd", rate, training_mode=training_mode, execution=torch_only)
    update = trainer.train(Examples(task.normalise(examples.inputs), examples.targets), start, Rng(2))
    network.load(start)
    network.model.eval()
    upload = Upload(update[None], (0,))
    labels = examples.targets if known else None
    return Observation(network.model, network.layout, update, upload, task, steps, rate, len(examples), labels,
                       training_mode=training_mode)  # fmt: skip


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
            network = model(shape, len(data.classes))  # type: ignore[call-arg]
        found.append((data.test[row].inputs, seen_by_server(network, task, data.test[row], steps)))
    return found


def quality(attack: ReconstructionAttack, seen: list[tuple[Tensor, Observation]]) -> Tensor:
    """The PSNR [victims] of what the attack returns, images in the order of the labels that it was given."""
    scores = []
    for victim, (images, observation) in enumerate(seen):
        guess = attack.reconstruct(observation, Rng(victim).at("reconstruction", victim=victim))
        assert guess.inputs is not None
        scores.append(psnr(images, guess.inputs).mean())
    return torch.stack(scores)
