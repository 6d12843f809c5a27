"""Wrong labels in the attackers' training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fflbench.contracts import Coalition, Examples, Knowledge, PoisoningAttack, Rng, TaskView


@dataclass
class LabelFlip(PoisoningAttack):
    """Attackers relabel `source` examples as `target`; without `source` all examples; without both, y becomes C-1-y. With
    `random` each relabelled example gets some other class instead. Classes are given by index or by name.
    """

    knowledge = Knowledge.OWN
    paper: ClassVar[str] = "https://arxiv.org/abs/2007.08432"
    assumes: ClassVar[str] = "many attackers, or examples of a class that few honest peers hold"
    cost: ClassVar[str] = "O(examples)"
    workspace: ClassVar[float] = 0.0

    source: int | str | None = None
    target: int | str | None = None
    random: bool = False

    def unfit(self, task: TaskView) -> str | None:
        if self.random and self.target is not None:
            return f"label-flip: random is set and target is {self.target!r}; give one of them"
        if self.target is None and self.source is not None and not self.random:
            return f"label-flip: source is {self.source!r} but target is not given; give both, target alone, or neither"
        if self.source is not None and not self.random and self._flips(task)[0] == self._flips(task)[1]:
            return f"label-flip: source and target are both {self.source!r}, need to differ"
        self._flips(task)
        return super().unfit(task)

    def source_class(self, task: TaskView) -> int | None:
        return self._flips(task)[0]

    def poison_examples(self, examples: Examples, peer: int, coalition: Coalition, task: TaskView, rng: Rng) -> Examples:
        if self.random:
            return Examples(examples.inputs, self._scattered(examples.targets, task, rng))
        return Examples(examples.inputs, self._flipped(examples.targets, task))

    def wanted(self, test: Examples, task: TaskView, rng: Rng) -> tuple[Examples, Tensor] | None:
        if self.random:
            return None
        wanted = self._flipped(test.targets, task)
        changed = (wanted != test.targets).nonzero().flatten()
        return (test[changed], wanted[changed]) if len(changed) else None

    def _flipped(self, targets: Tensor, task: TaskView) -> Tensor:
        source, target = self._flips(task)
        if target is None:
            return len(task.classes) - 1 - targets
        hit = torch.ones_like(targets, dtype=torch.bool) if source is None else targets == source
        return torch.where(hit, torch.full_like(targets, target), targets)

    def _scattered(self, targets: Tensor, task: TaskView, rng: Rng) -> Tensor:
        """Another class for each label, every other one equally likely."""
        classes, source = len(task.classes), self._flips(task)[0]
        shift = torch.randint(1, classes, targets.shape, generator=rng.torch())
        hit = torch.ones_like(targets, dtype=torch.bool) if source is None else targets == source
        return torch.where(hit, (targets + shift) % classes, targets)

    def _flips(self, task: TaskView) -> tuple[int | None, int | None]:
        source = None if self.source is None else task.class_index(self.source, "label-flip: source")
        target = None if self.target is None else task.class_index(self.target, "label-flip: target")
        return source, target
