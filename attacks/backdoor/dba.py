"""Distributed backdoor attack (Xie et al. 2020): every attacker trains on another part of the trigger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from fflbench.attacks.backdoor.backdoor import Backdoor
from fflbench.contracts import DataKind, Rng, TaskView


@dataclass
class DistributedBackdoor(Backdoor):
    """The trigger is four bars of `length` x 1 pixels, two by two, `gap` apart, `shift` pixels off the top left corner. The
    attackers take turns with the bars; test images carry all four."""

    data: ClassVar[tuple[DataKind, ...]] = ("image",)
    paper: ClassVar[str] = "https://openreview.net/forum?id=rkgyS0VFvr"
    assumes: ClassVar[str] = "at least four attackers, their rows are averaged in"
    cost: ClassVar[str] = "O(examples)"

    length: Annotated[int, Field(ge=1)] = 4
    gap: Annotated[int, Field(ge=1)] = 2
    shift: Annotated[int, Field(ge=0)] = 0

    def unfit(self, task: TaskView) -> str | None:
        reason = super().unfit(task)
        height, width = self.shift + self.gap + 2, self.shift + 2 * self.length + self.gap
        if reason is None and (height > task.input_shape[-2] or width > task.input_shape[-1]):
            return (
                f"length, gap and shift: the trigger takes {height}x{width} pixels, "
                f"images have {task.input_shape[-2]}x{task.input_shape[-1]}"
            )
        return reason

    def stamped(self, inputs: Tensor, task: TaskView, part: int | None, rng: Rng) -> Tensor:
        changed = inputs.clone()
        for bar in range(4) if part is None else (part % 4,):
            row = self.shift + (bar // 2) * (self.gap + 1)
            column = self.shift + (bar % 2) * (self.length + self.gap)
            changed[..., row, column : column + self.length] = 1.0
        return changed
