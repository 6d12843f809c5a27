"""Variants of FFL and of a baseline, for docs/runs/ffl-ingredients.toml and docs/runs/paper-differences.toml."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from fflbench.contracts import Aggregate, Layout, Round, Upload
from fflbench.defenses.aggregation.foolsgold import FoolsGold
from fflbench.defenses.ffl.reputation import Reputation
from fflbench.registry import register


@register("trusting-reputation")
@dataclass
class TrustingReputation(Reputation):
    """As `reputation`, but a peer that has bad experience with a partner exchanges with it all the same."""

    def consents(self, peer: int, partner: int, round_index: int) -> bool:
        return True


class _OfTheNorm(Layout):
    """The layout of Adult's network where the second batch norm comes last, as in the FFL authors' code."""

    @property
    def last_weight(self) -> slice:
        weight = next(p for p in self.parameters if p.name == "norm2.weight")
        return slice(weight.offset, weight.offset + weight.size)


@register("foolsgold-of-the-norm")
@dataclass
class FoolsGoldOfTheNorm(FoolsGold):
    """As `foolsgold`, but on Adult's network it compares peers by the second batch norm's weight, as the FFL authors' code
    does there: it takes the tensor before the last for the output layer's weight."""

    def remembers(self, layout: Layout) -> int:
        return super().remembers(_OfTheNorm(layout.parameters))

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        theirs = copy.copy(round)
        theirs.layout = _OfTheNorm(round.layout.parameters)
        return super().aggregate(upload, theirs)
