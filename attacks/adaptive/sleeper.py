"""Sleeper: earn reputation first, spend it later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from fflbench.attacks.adaptive.strike import Blow, struck
from fflbench.contracts import Knowledge, PoisoningAttack, Round, TaskView
from fflbench.duration import Duration


@dataclass
class Sleeper(PoisoningAttack):
    """Honest before round `wake`, then every round a blow (`reverse` or `noise`).

    Exploits that reputation is a sum over all rounds: what was earned in the warm-up pays for many bad rounds before a peer
    falls to the lower quartile.
    """

    knowledge = Knowledge.OWN
    assumes: ClassVar[str] = "trust is earned slowly and lost as slowly; wake after the warm-up"
    cost: ClassVar[str] = "O(b d)"
    workspace: ClassVar[float] = 1.0

    wake: Annotated[Duration, Field(ge=1)] = 20
    blow: Blow = "reverse"
    strength: Annotated[float, Field(gt=0)] = 5.0

    def unfit(self, task: TaskView) -> str | None:
        if self.wake >= task.rounds:
            return f"wake: found {self.wake}, the task has {task.rounds} rounds, so it never strikes"
        return super().unfit(task)

    def poison_updates(self, malicious: Tensor, honest: Tensor | None, round: Round) -> Tensor:
        if round.index < self.wake:
            return malicious
        return struck(malicious, self.blow, self.strength, round)
