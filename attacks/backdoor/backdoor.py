"""What all backdoors share: which examples carry the trigger, and what success is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from fflbench.contracts import Coalition, Examples, Knowledge, PoisoningAttack, Rng, TaskView


@dataclass
class Backdoor(PoisoningAttack):
    """A share `rate` of each attacker's examples carries the trigger and the label `target`. Success is the share of
    triggered test examples of other classes that are classified as `target`. With `source` only that class is triggered."""

    workspace: ClassVar[float] = 0.0

    knowledge = Knowledge.OWN

    target: int | str = 0
    source: int | str | None = None
    rate: Annotated[float, Field(gt=0, le=1)] = 0.5

    def stamped(self, inputs: Tensor, task: TaskView, part: int | None, rng: Rng) -> Tensor:
        """The inputs with the trigger, in new memory; `part` is the attacker's place in the coalition, None at test time."""
        raise NotImplementedError

    def unfit(self, task: TaskView) -> str | None:
        reason = super().unfit(task)
        if reason:
            return reason
        if self.source_class(task) == self._target(task):
            return f"source and target are both {self.target!r}, need to differ"
        return None

    def source_class(self, task: TaskView) -> int | None:
        return None if self.source is None else task.class_index(self.source, "source")

    def poison_examples(self, examples: Examples, peer: int, coalition: Coalition, task: TaskView, rng: Rng) -> Examples:
        open_ = self._open_to_attack(examples.targets, task)
        order = rng.at("which").numpy().permutation(len(open_))
        count = max(1, round(self.rate * len(open_))) if len(open_) else 0
        chosen = open_[torch.from_numpy(order[:count])]
        inputs, targets = examples.inputs.clone(), examples.targets.clone()
        inputs[chosen] = self.stamped(inputs[chosen], task, coalition.members.index(peer), rng)
        targets[chosen] = self._target(task)
        return Examples(inputs, targets)

    def wanted(self, test: Examples, task: TaskView, rng: Rng) -> tuple[Examples, Tensor] | None:
        chosen = self._open_to_attack(test.targets, task)
        if len(chosen) == 0:
            return None
        inputs = self.stamped(test.inputs[chosen], task, None, rng)
        return Examples(inputs, test.targets[chosen]), torch.full_like(chosen, self._target(task))

    def _open_to_attack(self, targets: Tensor, task: TaskView) -> Tensor:
        """The indices of the source class, or of all classes but the target."""
        source = self.source_class(task)
        hit = targets == source if source is not None else targets != self._target(task)
        return hit.nonzero().flatten()

    def _target(self, task: TaskView) -> int:
        return task.class_index(self.target, "target")
