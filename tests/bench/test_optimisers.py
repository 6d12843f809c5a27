"""Torch's optimisers, to the last digit, without torch's compiler."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from fflbench import optimisers

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-3}),
    "sgd, fused": ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-3, "fused": True}),
    "adam": ("Adam", {"lr": 0.1}),
    "adam, fused": ("Adam", {"lr": 0.1, "weight_decay": 1e-3, "fused": True}),
    "lbfgs": ("LBFGS", {"lr": 0.5, "max_iter": 5}),
}


@pytest.mark.parametrize("name", KINDS)
def test_they_step_as_torchs_own(name: str) -> None:
    """Under a schedule, and after a state was taken and given back."""
    kind, options = KINDS[name]
    start, found = torch.randn(50), []
    for module in (torch.optim, optimisers):
        leaf = nn.Parameter(start.clone())
        optimiser = getattr(module, kind)([leaf], **options)
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [3, 6], gamma=0.5)
        for step in range(9):
            optimiser.step(closure(leaf, optimiser))
            schedule.step()
            if step == 4:
                optimiser.load_state_dict(optimiser.state_dict())
        found.append(leaf.detach())
    assert torch.equal(*found)
    assert not torch.equal(found[0], start)


def closure(leaf: nn.Parameter, optimiser: torch.optim.Optimizer) -> Callable[[], torch.Tensor]:
    def evaluate() -> torch.Tensor:
        optimiser.zero_grad()
        loss = ((leaf - torch.arange(50)) ** 2).mean() + leaf.cos().mean()
        loss.backward()
        return loss

    return evaluate


def test_a_cell_ends_without_the_compiler() -> None:
    """Local training and an inversion, both by torch."""
    script = """
import sys, tempfile
from pathlib import Path
from fflbench.execution import Execution
from fflbench.records import RecordStore
from fflbench.runner.cell import make_cell, run_cell
from fflbench.suite import load_suite
cells = load_suite("quickstart").cells(only=("one image/inverting-gradients/fedavg", "fashion-mnist/none/fedavg"), seeds=(0,))
assert {cell.track for cell in cells} == {"poisoning", "reconstruction"}
for cell in cells:
    durations = {"steps": 2} if cell.track == "reconstruction" else {}
    attack = cell.attack.model_copy(update={"parameters": cell.attack.parameters | durations})
    settings = cell.task.settings | ({"rounds": 1} if cell.track == "poisoning" else {})
    task = cell.task.model_copy(update={"settings": settings})
    cell = make_cell(cell.model_copy(update={"attack": attack, "task": task}), "quickstart", Execution(engine="torch"))
    assert run_cell(cell, RecordStore(Path(tempfile.mkdtemp()))).status == "ok"
print("loaded:", [name for name in ("torch._dynamo", "sympy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "loaded: []" in done.stdout, done.stdout + done.stderr
