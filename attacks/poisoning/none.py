"""Nobody attacks."""

from typing import ClassVar

from fflbench.contracts import PoisoningAttack


class NoAttack(PoisoningAttack):
    """Nobody attacks: the clean baseline."""

    attackers: ClassVar[float] = 0.0
    workspace: ClassVar[float] = 0.0
