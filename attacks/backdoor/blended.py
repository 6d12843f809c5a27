"""Blended injection (Chen et al. 2017): a faint pattern over the whole image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from fflbench.attacks.backdoor.backdoor import Backdoor
from fflbench.contracts import DataKind, Rng, TaskView


@dataclass
class Blended(Backdoor):
    """The trigger is (1 - `alpha`) image + `alpha` pattern, with one pattern of uniform noise for all, drawn from the number
    `pattern`."""

    data: ClassVar[tuple[DataKind, ...]] = ("image",)
    paper: ClassVar[str] = "https://arxiv.org/abs/1712.05526"
    assumes: ClassVar[str] = "attackers take part in most rounds, their rows are averaged in"
    cost: ClassVar[str] = "O(examples)"

    alpha: Annotated[float, Field(gt=0, le=1)] = 0.2
    pattern: Annotated[int, Field(ge=0)] = 0

    def stamped(self, inputs: Tensor, task: TaskView, part: int | None, rng: Rng) -> Tensor:
        pattern = torch.rand(task.input_shape, generator=Rng(self.pattern).at("blended").torch())
        return (1 - self.alpha) * inputs + self.alpha * pattern
