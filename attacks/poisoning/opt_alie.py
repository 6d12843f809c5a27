"""A Little Is Enough with the strength that hurts this defense most (the line search of Shejwalkar and Houmansadr 2021, as
ByzFL runs it)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from fflbench.attacks.poisoning.line_search import strongest
from fflbench.attacks.poisoning.visible import deviation, sent_by_all, visible_rows
from fflbench.contracts import Knowledge, PoisoningAttack, Round


@dataclass
class OptimisedALIE(PoisoningAttack):
    """All send mean - z standard deviations; z, up to `largest`, is searched every round by rehearsing the whole defense
    `evaluations` times and keeping what moves its step farthest from the honest mean."""

    knowledge = Knowledge.OMNISCIENT
    paper: ClassVar[str] = "https://arxiv.org/abs/1902.06156"
    assumes: ClassVar[str] = "the attackers can run the server's defense"
    cost: ClassVar[str] = "evaluations x the defense"

    evaluations: Annotated[int, Field(ge=4)] = 20
    largest: Annotated[float, Field(gt=0.01)] = 100.0

    def poison_updates(self, malicious: Tensor, honest: Tensor | None, round: Round) -> Tensor:
        rows = visible_rows(malicious, honest)
        mean, spread = rows.mean(0), deviation(rows)
        if honest is None or len(honest) == 0:
            return sent_by_all(mean - spread, malicious)
        found = strongest(lambda z: mean - z * spread, malicious, honest, round, 0.01, self.largest, self.evaluations)
        return sent_by_all(found, malicious)
