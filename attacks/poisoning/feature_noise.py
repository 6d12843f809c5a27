"""Noisy inputs in the attackers' training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from fflbench.contracts import Coalition, DataKind, Examples, Knowledge, PoisoningAttack, Rng, TaskView


@dataclass
class FeatureNoise(PoisoningAttack):
    """Attackers train on inputs with N(0, `sigma`^2) added to every entry; pixels stay in [0, 1]."""

    knowledge = Knowledge.OWN
    data: ClassVar[tuple[DataKind, ...]] = ("image", "tabular")
    assumes: ClassVar[str] = "nothing; weak: what is learned from noise is small"
    cost: ClassVar[str] = "O(examples)"
    workspace: ClassVar[float] = 0.0

    sigma: Annotated[float, Field(gt=0)] = 0.5

    def poison_examples(self, examples: Examples, peer: int, coalition: Coalition, task: TaskView, rng: Rng) -> Examples:
        noise = torch.randn(examples.inputs.shape, generator=rng.torch())
        inputs = examples.inputs + self.sigma * noise
        return Examples(inputs.clamp(0, 1) if task.kind == "image" else inputs, examples.targets)
