"""Random noise in place of, or on top of, what was learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import Tensor, empty_like

from fflbench.contracts import Knowledge, PoisoningAttack, Round


@dataclass
class GaussianNoise(PoisoningAttack):
    """Each attacker adds N(0, sigma^2) to every entry of its own update, or with `mode = "replace"` sends only noise."""

    knowledge = Knowledge.OWN
    paper: ClassVar[str] = "https://arxiv.org/abs/2207.05978"
    assumes: ClassVar[str] = "b sigma is large beside what a round learns"
    cost: ClassVar[str] = "O(b d)"
    workspace: ClassVar[float] = 1.0

    sigma: Annotated[float, Field(gt=0)] = 0.2
    mode: Literal["add", "replace"] = "add"

    def poison_updates(self, malicious: Tensor, honest: Tensor | None, round: Round) -> Tensor:
        generator = round.rng.at("gaussian-noise").torch(malicious.device)
        noise = empty_like(malicious).normal_(0, self.sigma, generator=generator)
        return noise.add_(malicious) if self.mode == "add" else noise
