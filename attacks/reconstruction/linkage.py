"""Linking the uploads of a round to the peers of earlier ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from fflbench.contracts import DataKind, Observation, Reconstruction, ReconstructionAttack, Rng


@dataclass
class Linkage(ReconstructionAttack):
    """Compares unnamed uploads with what the victim sent under its name before: by the `direction` of the mean of its
    updates, by the `signs` of its entries, or by the `norms` of its tensors on a logarithmic scale."""

    data: ClassVar[tuple[DataKind, ...]] = ("image", "tabular", "text")
    assumes: ClassVar[str] = "a peer's updates resemble each other from round to round"
    cost: ClassVar[str] = "O(n d) a round"
    guesses: ClassVar[Literal["inputs", "membership", "links"]] = "links"
    least_rounds: ClassVar[int] = 2

    by: Literal["direction", "signs", "norms"] = "direction"

    def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
        assert seen.unnamed is not None
        before, now = (self._features(rows.nan_to_num(0.0, 0.0, 0.0), seen) for rows in (seen.history, seen.unnamed))
        profile = before.mean(0)
        if self.by == "norms":
            return Reconstruction(None, links=-(now - profile).square().sum(1))
        return Reconstruction(None, links=F.cosine_similarity(now, profile[None]))

    def _features(self, rows: Tensor, seen: Observation) -> Tensor:
        """What is compared [n, k] of uploads [n, d]."""
        if self.by == "norms":
            tensors = [parameter.name for parameter in seen.layout.parameters if parameter.trainable]
            norms = torch.stack([seen.layout.view(rows, name).flatten(1).norm(dim=1) for name in tensors], dim=1)
            return norms.clamp(min=1e-30).log()
        trained = rows[:, seen.layout.trainable]
        return trained.sign() if self.by == "signs" else trained
