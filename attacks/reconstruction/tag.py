"""TAG (Deng et al. 2021): gradient matching on the embeddings of a text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from fflbench.attacks.reconstruction.descent import descend
from fflbench.attacks.reconstruction.labels import labels_of
from fflbench.attacks.reconstruction.simulation import as_trained, seen_direction, simulated_direction
from fflbench.contracts import DataKind, Observation, Reconstruction, ReconstructionAttack, Rng, TaskView
from fflbench.duration import Duration


@dataclass
class TAG(ReconstructionAttack):
    """Adam on squared + `absolute` x absolute difference of the gradients of all layers above the embedding, over the
    embeddings of every position. A position's token is the one with the nearest embedding: with `rows` among those whose
    row of the embedding moved (only tokens of the texts do), otherwise in the whole vocabulary."""

    data: ClassVar[tuple[DataKind, ...]] = ("text",)
    paper: ClassVar[str] = "https://arxiv.org/abs/2103.06819"
    assumes: ClassVar[str] = "one gradient, a trainable embedding; few and short texts"
    cost: ClassVar[str] = "steps x two backward passes"
    one_gradient: ClassVar[bool] = True

    steps: Annotated[Duration, Field(ge=1)] = 1000
    learning_rate: Annotated[float, Field(gt=0)] = 0.05
    absolute: Annotated[float, Field(ge=0)] = 0.1
    rows: bool = True

    def unfit_model(self, model: nn.Module, task: TaskView) -> str | None:
        count = len(embeddings(model))
        return None if count == 1 else f"TAG needs a network with one embedding, {type(model).__name__} has {count}"

    def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
        name, table = embeddings(seen.model)[0]
        labels, device = labels_of(seen, rng), seen.update.device
        tokens = moved_tokens(seen, name) if self.rows else torch.arange(table.num_embeddings, device=device)
        known = table.weight.detach()[tokens]
        shape = (seen.examples, *seen.task.input_shape)
        start = torch.randint(len(tokens), shape, generator=rng.at("start").torch(device), device=device)
        guess = known[start].requires_grad_()
        above = torch.ones(seen.layout.trainable.stop, dtype=torch.bool, device=device)
        place = next(p for p in seen.layout.parameters if p.name == f"{name}.weight")
        above[place.offset : place.offset + place.size] = False
        target = seen_direction(seen)[above]

        def total() -> Tensor:
            difference = simulated_direction(seen, tokens[start], labels)[above] - target
            return difference.square().sum() + self.absolute * difference.abs().sum()

        with as_trained(seen), instead_of(table, guess):
            descend([guess], total, self.steps, self.learning_rate, seen.descents.begin(), decay=False)
            cost = float(total().detach())
        nearest = torch.cdist(guess.detach().flatten(0, 1), known).argmin(1).view(shape)
        return Reconstruction(tokens[nearest], labels, cost, self.steps)


def embeddings(model: nn.Module) -> list[tuple[str, nn.Embedding]]:
    """The trainable embeddings of a network by name."""
    return [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Embedding) and m.weight.requires_grad]


def moved_tokens(seen: Observation, name: str) -> Tensor:
    """The tokens whose embedding the update moved, by at least a millionth of the most moved one; all if none did."""
    moved = seen.layout.view(seen.update, f"{name}.weight").nan_to_num(0.0, 0.0, 0.0).norm(dim=1)
    tokens = (moved > 1e-6 * moved.max()).nonzero().flatten()
    return tokens if len(tokens) else torch.arange(len(moved), device=moved.device)


@contextmanager
def instead_of(table: nn.Embedding, guess: Tensor) -> Iterator[None]:
    """Inside, the network sees `guess` [n, length, width] whatever tokens it is given."""
    handle = table.register_forward_hook(lambda module, given, output: guess)
    try:
        yield
    finally:
        handle.remove()
