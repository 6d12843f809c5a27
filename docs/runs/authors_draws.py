"""Rules that ask whom the FFL authors' code asks on IMDB, for docs/runs/paper-drawn.toml."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from authors_replay import PEERS, TAKING_PART, authors_rounds, renumbered

from fflbench.contracts import Aggregator, Rng, TaskView
from fflbench.defenses.aggregation.krum import MultiKrum
from fflbench.defenses.aggregation.mean import Mean
from fflbench.defenses.aggregation.median import Median
from fflbench.federation.setup import drawn_coalition
from fflbench.registry import register
from fflbench.settings import CoalitionSettings


class AsDrawn(Aggregator):
    """Asks the authors' peers, numbered so that their attackers are this run's."""

    def unfit(self, uploads: int, tolerated: int, task: TaskView) -> str | None:
        if (uploads, task.peers) != (TAKING_PART, PEERS):
            return f"asks {TAKING_PART} of {PEERS} peers as the FFL authors do, here it is {uploads} of {task.peers}"
        return super().unfit(uploads, tolerated, task)

    def select(self, candidates: Sequence[int], count: int, round_index: int, rng: Rng) -> tuple[int, ...]:
        members = drawn_coalition(CoalitionSettings(), PEERS, range(PEERS), Rng(rng.seed)).members
        return renumbered("imdb", authors_rounds("imdb", round_index + 1)[-1], members)


@register("fedavg-as-drawn")
@dataclass
class MeanAsDrawn(AsDrawn, Mean):
    """Plain averaging of the peers that the FFL authors' code asks."""


@register("median-as-drawn")
@dataclass
class MedianAsDrawn(AsDrawn, Median):
    """The median of the peers that the FFL authors' code asks."""


@register("multi-krum-as-drawn")
@dataclass
class MultiKrumAsDrawn(AsDrawn, MultiKrum):
    """Multi-Krum of the peers that the FFL authors' code asks."""
