"""BadNets (Gu et al. 2017): a bright square in a corner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from fflbench.attacks.backdoor.backdoor import Backdoor
from fflbench.contracts import DataKind, Rng, TaskView


@dataclass
class BadNets(Backdoor):
    """The trigger is a square of `size` pixels of brightness `value`, one pixel off a corner. Of a peer's examples a share
    `rate` carries it, relabelled as `target`."""

    data: ClassVar[tuple[DataKind, ...]] = ("image",)
    paper: ClassVar[str] = "https://arxiv.org/abs/1708.06733"
    assumes: ClassVar[str] = "attackers take part in most rounds, their rows are averaged in"
    cost: ClassVar[str] = "O(examples)"

    size: Annotated[int, Field(ge=1)] = 4
    value: Annotated[float, Field(ge=0, le=1)] = 1.0
    corner: Literal["top-left", "top-right", "bottom-left", "bottom-right"] = "bottom-right"

    def unfit(self, task: TaskView) -> str | None:
        reason = super().unfit(task)
        if reason is None and self.size + 1 > min(task.input_shape[-2:]):
            height, width = task.input_shape[-2:]
            return f"size: found {self.size}, the trigger does not fit on images of {height}x{width}"
        return reason

    def stamped(self, inputs: Tensor, task: TaskView, part: int | None, rng: Rng) -> Tensor:
        vertical, _, horizontal = self.corner.partition("-")
        rows = slice(1, 1 + self.size) if vertical == "top" else slice(-1 - self.size, -1)
        columns = slice(1, 1 + self.size) if horizontal == "left" else slice(-1 - self.size, -1)
        changed = inputs.clone()
        changed[..., rows, columns] = self.value
        return changed
