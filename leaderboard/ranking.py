"""Ranks with tie groups, and the Pareto front.

Defenses are ordered by their mean. The first leads a tie group; those after it join while their seed-paired difference
to the leader includes zero; the first that does not leads the next group. A group shares the rank of its leader, and
the rank after a group of three is three higher. Defenses with missing or failed cells share the last rank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import pydantic

from fflbench.leaderboard.intervals import Series, average, difference

Better = Literal["higher", "lower"]


class Rank(pydantic.BaseModel):
    """`position` counts from 1; `tied` says that others share it."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    position: int
    tied: bool

    def __str__(self) -> str:
        return f"{self.position}{'=' if self.tied else ''}"


def ranks(scores: Mapping[str, Series], incomplete: Sequence[str], better: Better) -> dict[str, Rank]:
    """The rank of every name in `scores` or `incomplete`. Empty when fewer than two seeds leave nothing to tell apart."""
    complete = {name: series for name, series in scores.items() if name not in incomplete and series}
    if min((len(series) for series in complete.values()), default=0) < 2:
        return {}
    groups = tie_groups(complete, better)
    return positions([*groups, sorted(incomplete)] if incomplete else groups)


def positions(groups: Sequence[Sequence[str]]) -> dict[str, Rank]:
    """Ranks from groups, best first: all of a group share the place of its first."""
    found: dict[str, Rank] = {}
    for group in groups:
        position = len(found) + 1
        found.update({name: Rank(position=position, tied=len(group) > 1) for name in group})
    return found


def tie_groups(scores: Mapping[str, Series], better: Better) -> list[list[str]]:
    """Names from best to worst, in groups that do not differ from their leader."""
    groups: list[list[str]] = []
    for name in ordered(scores, better):
        leader = groups[-1][0] if groups else None
        gap = None if leader is None else difference(scores[name], scores[leader])
        if gap is not None and gap.includes_zero:
            groups[-1].append(name)
        else:
            groups.append([name])
    return groups


def ordered(scores: Mapping[str, Series], better: Better) -> list[str]:
    """Names by mean, best first; equal means by name."""
    sign = -1 if better == "higher" else 1
    return sorted(scores, key=lambda name: (sign * average(list(scores[name].values())), name))


def pareto_front(points: Mapping[str, Sequence[float]], better: Sequence[Better]) -> set[str]:
    """The names that no other point dominates: at least as good everywhere and better somewhere."""
    signed = {
        name: [value if way == "higher" else -value for value, way in zip(point, better, strict=True)]
        for name, point in points.items()
    }
    return {name for name, point in signed.items() if not any(_dominates(other, point) for other in signed.values())}


def _dominates(first: Sequence[float], second: Sequence[float]) -> bool:
    pairs = list(zip(first, second, strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)
