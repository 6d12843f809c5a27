"""Local differential privacy (Geyer et al. 2017, Truex et al. 2020): every peer clips its update and adds noise to it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from fflbench.contracts import Round, Stage, Upload
from fflbench.defenses.privacy.accountant import epsilon
from fflbench.defenses.privacy.clip import clip


@dataclass
class LocalDP(Stage):
    """Each peer scales its update down to norm `clip` and adds N(0, (`noise` `clip`)^2) to every entry. The record says the
    epsilon at `delta` of the peer that took part most often, with its whole update as the secret."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1712.07557"
    assumes: ClassVar[str] = "nobody is trusted; costs accuracy, as the noise of n peers adds up"
    cost: ClassVar[str] = "O(d) a peer"
    workspace: ClassVar[float] = 0.1

    clip: Annotated[float, Field(gt=0)] = 1.0
    noise: Annotated[float, Field(gt=0)] = 0.05
    delta: Annotated[float, Field(gt=0, lt=1)] = 1e-5

    taken: Counter[int] = field(default_factory=Counter, init=False, repr=False)
    """In how many rounds each peer took part."""

    def share(self, upload: Upload, round: Round) -> Upload:
        self.taken.update(upload.peers)
        clip(upload.rows, self.clip)
        for row, peer in zip(upload.rows, upload.peers, strict=True):
            generator = round.rng.at("local-dp", peer=peer).torch(row.device)
            row += torch.empty_like(row).normal_(0, self.noise * self.clip, generator=generator)
        return upload

    def notes(self) -> dict[str, object]:
        rounds = max(self.taken.values(), default=0)
        return {"local epsilon": epsilon(self.noise, rounds, self.delta), "delta": self.delta} if rounds else {}
