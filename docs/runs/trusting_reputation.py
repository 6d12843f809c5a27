"""FFL's reputation without the peers' own: everybody exchanges with everybody. For docs/runs/ffl-ingredients.toml."""

from __future__ import annotations

from dataclasses import dataclass

from fflbench.defenses.ffl.reputation import Reputation
from fflbench.registry import register


@register("trusting-reputation")
@dataclass
class TrustingReputation(Reputation):
    """As `reputation`, but a peer that has bad experience with a partner exchanges with it all the same."""

    def consents(self, peer: int, partner: int, round_index: int) -> bool:
        return True
