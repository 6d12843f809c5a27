"""TabLeak (Vero et al. 2023): rows of a table from gradients, with relaxed categories and an ensemble."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from fflbench.attacks.reconstruction.descent import descend
from fflbench.attacks.reconstruction.labels import labels_of
from fflbench.attacks.reconstruction.simulation import Cost, as_trained, cosine_cost
from fflbench.contracts import DataKind, Observation, Reconstruction, ReconstructionAttack, Rng
from fflbench.duration import Duration
from fflbench.metrics.tables import match_rows, nearest


@dataclass
class TabLeak(ReconstructionAttack):
    """Adam on 1 - cosine of the gradients, over numbers and, for each category, a softmax over its levels. The `ensemble`'s
    runs are matched row by row to the best one; the median of the numbers and the most frequent levels are the guess."""

    data: ClassVar[tuple[DataKind, ...]] = ("tabular",)
    paper: ClassVar[str] = "https://arxiv.org/abs/2210.01785"
    assumes: ClassVar[str] = "few rows an update, few local steps; the levels of the categories are known"
    cost: ClassVar[str] = "steps x ensemble x two backward passes a local step"

    steps: Annotated[Duration, Field(ge=1)] = 1500
    learning_rate: Annotated[float, Field(gt=0)] = 0.06
    ensemble: Annotated[int, Field(ge=1)] = 15

    def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
        labels, cost = labels_of(seen, rng), cosine_cost(seen)
        runs: list[tuple[float, Tensor]] = []
        with as_trained(seen):
            for member in range(self.ensemble):
                rows = RelaxedRows(seen, rng.at("start", member=member))
                total = partial(relaxed_cost, rows, cost, labels)
                descend(rows.variables, total, self.steps, self.learning_rate, seen.descents.begin(), decay=False)
                found = rows.settled()
                runs.append((float(cost(found, labels).detach()), found))
        runs.sort(key=lambda run: run[0])
        return Reconstruction(pooled([run[1] for run in runs], seen), labels, runs[0][0], self.steps * self.ensemble)


def relaxed_cost(rows: RelaxedRows, cost: Cost, labels: Tensor) -> Tensor:
    return cost(rows(), labels)


@dataclass
class RelaxedRows:
    """Rows of a table [n, features] that can be descended on: numbers as they are, categories as softmax over levels."""

    seen: Observation
    rng: Rng
    numbers: Tensor = field(init=False)
    levels: dict[int, tuple[Tensor, Tensor]] = field(init=False)
    """By feature: the values of the levels, and the logits [n, levels]."""

    def __post_init__(self) -> None:
        task, device, count = self.seen.task, self.seen.update.device, self.seen.examples
        generator = self.rng.torch(device)

        def draw(width: int) -> Tensor:
            return torch.randn((count, width), generator=generator, device=device).requires_grad_()

        self.numbers = draw(task.input_shape[0])
        self.levels = {
            feature: (torch.tensor(values, device=device), draw(len(values)))
            for feature, values in enumerate(task.levels)
            if values
        }

    @property
    def variables(self) -> list[Tensor]:
        return [self.numbers, *(logits for _, logits in self.levels.values())]

    def __call__(self) -> Tensor:
        columns = list(self.numbers.unbind(1))
        for feature, (values, logits) in self.levels.items():
            columns[feature] = F.softmax(logits, dim=1) @ values
        return torch.stack(columns, dim=1) + 0 * self.numbers

    def settled(self) -> Tensor:
        """Each category at its likeliest level."""
        rows = self.numbers.detach().clone()
        for feature, (values, logits) in self.levels.items():
            rows[:, feature] = values[logits.argmax(1)]
        return rows


def pooled(runs: list[Tensor], seen: Observation) -> Tensor:
    """Of runs [n, features], the best first, one guess: rows are matched to the best run's."""
    levels = seen.task.levels
    aligned = torch.stack([run[match_rows(runs[0].cpu(), run.cpu(), levels, None).to(run.device)] for run in runs])
    rows = aligned.median(dim=0).values
    for feature, values in enumerate(levels):
        if values:
            chosen = nearest(aligned[..., feature], values).mode(dim=0).values
            rows[:, feature] = torch.tensor(values, device=rows.device)[chosen]
    return rows
