"""Membership inference from an update (Li et al. 2023): its records have gradients along it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from fflbench.attacks.reconstruction.simulation import as_trained, seen_direction, simulated_direction
from fflbench.contracts import DataKind, Observation, Reconstruction, ReconstructionAttack, Rng


@dataclass
class GradientMembership(ReconstructionAttack):
    """Scores each candidate by the cosine of its own gradient at the round's global model with the seen update."""

    data: ClassVar[tuple[DataKind, ...]] = ("image", "tabular", "text")
    paper: ClassVar[str] = "https://arxiv.org/abs/2202.13022"
    assumes: ClassVar[str] = "more parameters than examples, so that gradients of different records are nearly orthogonal"
    cost: ClassVar[str] = "a backward pass a candidate"
    guesses: ClassVar[Literal["inputs", "membership"]] = "membership"

    def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
        assert seen.candidates is not None
        target = seen_direction(seen)
        inputs = seen.task.normalise(seen.candidates.inputs)
        scores = []
        with as_trained(seen):
            seen.model.eval()
            for index in range(len(inputs)):
                label = seen.candidates.targets[index : index + 1]
                own = simulated_direction(seen, inputs[index : index + 1], label).detach()
                scores.append(own @ target / (own.norm() * target.norm()).clamp(min=1e-12))
        return Reconstruction(None, membership=torch.stack(scores), steps=len(scores))
