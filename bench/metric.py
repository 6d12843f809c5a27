"""What a metric plug-in is, and what it is computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from fflbench.dataset import DataKind


@dataclass(frozen=True)
class Outcome:
    """What metrics are computed from. Poisoning: `outputs[n, classes]` and `targets[n]` on the test data; on the
    attack's `wanted` examples the same as `wanted_outputs`, `wanted_targets` with the `wanted` classes; `success`
    of the attack (round, percent) in the rounds evaluated so far, the round in which the attackers `left`; `trust` per
    peer and the `attackers`. Reconstruction: `originals` and `guesses` [n, ...] in data range, matched in order, of the
    data's `kind`, with the `levels` of a table's categories and the `spread` of its features; labels; the observer's
    `membership` score of each candidate and which are the victim's (`members`); its `links` score of each unnamed upload and
    the place of the victim's (`linked`)."""

    outputs: Tensor | None = None
    targets: Tensor | None = None
    wanted_outputs: Tensor | None = None
    wanted_targets: Tensor | None = None
    wanted: Tensor | None = None
    success: tuple[tuple[int, float], ...] = ()
    left: int | None = None
    trust: dict[int, float] | None = None
    attackers: tuple[int, ...] = ()
    originals: Tensor | None = None
    guesses: Tensor | None = None
    labels: Tensor | None = None
    guessed_labels: Tensor | None = None
    kind: DataKind = "image"
    levels: tuple[tuple[float, ...], ...] = ()
    spread: Tensor | None = None
    membership: Tensor | None = None
    members: Tensor | None = None
    links: Tensor | None = None
    linked: int | None = None


class Metric:
    """One number with a name. `better` is the direction that is good *for the defense*."""

    label: ClassVar[str]
    unit: ClassVar[str] = ""
    better: ClassVar[Literal["higher", "lower"]]
    low: ClassVar[float | None] = None
    high: ClassVar[float | None] = None
    track: ClassVar[Literal["poisoning", "reconstruction"]]
    each_round: ClassVar[bool] = False

    def compute(self, outcome: Outcome) -> float | None:
        """The value, or None where the outcome holds nothing to measure it on."""
        raise NotImplementedError
