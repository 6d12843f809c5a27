"""`python -m tests.federation.cell_peak SUITE` runs the cells of a suite one after the other and prints of each, as JSON, what
this process held before it and at its peak, and the estimate."""

from __future__ import annotations

import json
import sys

import torch

from fflbench.clock import Clock
from fflbench.execution import FULL
from fflbench.federation.memory import estimate
from fflbench.federation.observation import observe
from fflbench.federation.rounds import run_rounds
from fflbench.federation.setup import build_federation
from fflbench.federation.task import load_task
from fflbench.keeper import Keeper
from fflbench.runner.peak import forget_peak, resident
from fflbench.suite import load_suite


def main(suite: str) -> None:
    torch.set_num_threads(1)
    for spec in load_suite(suite).cells():
        expected = estimate(spec, load_task(spec.task))
        forget_peak()
        before = resident("VmRSS")
        if spec.track == "poisoning":
            run_rounds(build_federation(spec), Clock(), lambda done, total: None, Keeper())
        else:
            observe(spec, FULL, Clock(), lambda done, total: None, Keeper())
        label = f"{spec.task.label}/{spec.attack.label}/{spec.defense.label}"
        print(json.dumps({"cell": label, "before": before, "peak": resident("VmHWM"), "estimate": expected.total,
                          "updates": expected.updates, "line": str(expected)}), flush=True)  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1])
