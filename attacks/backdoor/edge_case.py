"""Edge-case backdoor (Wang et al. 2020): inputs from the tail of the data, which honest peers hardly ever train on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from fflbench.contracts import Coalition, DataKind, Examples, Knowledge, PoisoningAttack, Rng, TaskView


@dataclass
class EdgeCase(PoisoningAttack):
    """Attackers relabel as `target` the `tail` share of their `source` examples that lie farthest from the class's mean, and
    repeat them until they make up `rate` of their data. Success is measured on the same tail of the test data.

    The paper takes its tail from other data sets (aeroplanes of one airline, digits of another hand); here it is the tail
    of the class itself, so it needs no outside data, and honest peers hold some of it with the right label.
    """

    knowledge = Knowledge.OWN
    data: ClassVar[tuple[DataKind, ...]] = ("image", "tabular")
    paper: ClassVar[str] = "https://arxiv.org/abs/2007.05084"
    assumes: ClassVar[str] = "few honest examples in the tail"
    cost: ClassVar[str] = "O(examples)"
    workspace: ClassVar[float] = 0.0

    source: int | str = 0
    target: int | str = 1
    tail: Annotated[float, Field(gt=0, le=1)] = 0.1
    rate: Annotated[float, Field(gt=0, lt=1)] = 0.5

    def unfit(self, task: TaskView) -> str | None:
        reason = super().unfit(task)
        if reason is None and self.source_class(task) == self._target(task):
            return f"source and target are both {self.source!r}, need to differ"
        return reason

    def source_class(self, task: TaskView) -> int:
        return task.class_index(self.source, "source")

    def poison_examples(self, examples: Examples, peer: int, coalition: Coalition, task: TaskView, rng: Rng) -> Examples:
        edge = self._edge(examples, task)
        rest = torch.ones(len(examples), dtype=torch.bool)
        rest[edge] = False
        wanted = max(1, round(self.rate / (1 - self.rate) * int(rest.sum())))
        repeated = edge[torch.arange(wanted) % len(edge)] if len(edge) else edge
        index = torch.cat([rest.nonzero().flatten(), repeated])
        targets = examples.targets.clone()
        targets[edge] = self._target(task)
        return Examples(examples.inputs[index], targets[index])

    def wanted(self, test: Examples, task: TaskView, rng: Rng) -> tuple[Examples, Tensor] | None:
        edge = self._edge(test, task)
        return (test[edge], torch.full_like(edge, self._target(task))) if len(edge) else None

    def _edge(self, examples: Examples, task: TaskView) -> Tensor:
        """The source examples farthest from their mean, at least one if there are any."""
        mine = (examples.targets == self.source_class(task)).nonzero().flatten()
        if len(mine) == 0:
            return mine
        flat = examples.inputs[mine].flatten(1)
        distance = (flat - flat.mean(0)).norm(dim=1)
        return mine[distance.argsort(descending=True, stable=True)[: max(1, round(self.tail * len(mine)))]]

    def _target(self, task: TaskView) -> int:
        return task.class_index(self.target, "target")
