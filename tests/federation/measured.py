"""How much memory the parts of the registry need beside the rows that they are given. `python -m tests.federation.measured`
prints it as JSON: `{"kind/name": copies of the rows}`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from fflbench import blocks, registry
from fflbench.contracts import (
    Aggregate,
    Aggregator,
    Coalition,
    DefensePart,
    Knowledge,
    PoisoningAttack,
    PreAggregator,
    Rng,
    Round,
    Stage,
    Upload,
)
from fflbench.runner.peak import forget_peak, resident
from tests.conftest import TASK, flat_layout

SIZE, SLOW = (64, 1 << 17), (24, 1 << 18)
"""Rows and entries of the matrix: for most, and for rules that take n^2 log n a coordinate."""
ATTACKERS = 0.4
TRIES = 3
"""Measurements of one call: the kernel counts pages by processor and adds them up when it finds the time."""
EARLY, LATE = 3, 30
"""Rounds, in the warm-up of those that have one and after it."""


def growth(call: Callable[[], object]) -> int:
    """How far above what it has now a call takes this process; what it returns counts."""
    forget_peak()
    before = resident("VmRSS")
    result = call()
    peak = resident("VmHWM")
    del result
    return peak - before


def a_round(rows: torch.Tensor, index: int) -> Round:
    peers, size, task = tuple(range(len(rows))), rows.shape[1], replace(TASK, peers=len(rows))
    round_ = Round(
        index, 99, peers, torch.zeros(size), flat_layout(size, size // 64), Rng(0).at("round", round=index), task, 1
    )
    round_.weights = dict.fromkeys(peers, 1)
    round_.coalition = Coalition(peers[-int(ATTACKERS * len(peers)) :])
    round_.root_update = lambda: torch.ones(size)
    round_.rehearse = lambda tried: Aggregate(tried.clone().mean(0), dict.fromkeys(peers, 1.0))
    return round_


def call_of(part: Any, rows: torch.Tensor, index: int) -> Callable[[], object]:
    round_, upload = a_round(rows, index), Upload(rows, tuple(range(len(rows))))
    if isinstance(part, Stage):
        return lambda: part.share(upload, round_)
    if isinstance(part, PreAggregator):
        return lambda: part.transform(upload, round_)
    if isinstance(part, Aggregator):
        return lambda: part.aggregate(upload, round_)
    if part.knowledge is Knowledge.OMNISCIENT:
        honest = len(rows) - len(round_.coalition.members)
        return lambda: part.poison_updates(rows[honest:], rows[:honest], round_)
    round_.coalition = Coalition(round_.peers)

    def both() -> object:
        part.poison_updates(rows, None, round_)
        return part.poison_upload(round_.peers, rows, rows, round_)

    return both


def used(target: type) -> float:
    """Copies of the rows that a part needs at its peak, once what it keeps over the rounds is there."""
    part = target()
    for index in range(3):
        call_of(target(), torch.randn(64, 640), index)()  # Imports and buffers of the libraries.
    size = SLOW if target.__name__ in ("RepeatedMedian", "ResidualReweighting") else SIZE
    rows = torch.randn(*size)
    stateful = isinstance(part, DefensePart) and part.remembers(flat_layout(size[1], size[1] // 64)) > 0
    for index in range(3 if stateful else 0):
        call_of(part, rows, index)()
    moments = (EARLY, LATE) if hasattr(part, "warmup") or hasattr(part, "wake") else (EARLY,)
    return max(min(growth(call_of(part, rows, index)) for _ in range(TRIES)) for index in moments) / (4 * rows.numel())


def targets() -> dict[str, type]:
    """Attackers and parts of defenses that can run here, but for those that only get one vector."""
    kinds = {"attacks": PoisoningAttack, "defenses": (Stage, PreAggregator, Aggregator)}
    found = {}
    for kind, base in kinds.items():
        for name, plugin in registry.plugins(kind).items():
            target = None if plugin.missing() else plugin.load()
            if isinstance(target, type) and issubclass(target, base):
                found[f"{kind}/{name}"] = target
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    blocks.ENTRIES, blocks.WIDE, blocks.LEAST_WIDE = 1 << 15, 1 << 12, 1 << 6
    for dtype in (torch.float32, torch.float64):
        square = torch.randn(1000, 1000, dtype=dtype)
        torch.linalg.eigh(square @ square.T)  # The buffers of the library of linear algebra.
    print(json.dumps({name: round(used(target), 3) for name, target in targets().items()}))
