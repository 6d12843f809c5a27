"""What a cell asks of a cluster, and how many cells a cluster runs at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fflbench.execution import Execution
from fflbench.runner.resources import GB
from fflbench.settings import Resources


def demand(needs: Resources, execution: Execution) -> dict[str, Any]:
    """The options of a cell's Ray task: a core for each thread, its share of a GPU, its memory in bytes."""
    asked: dict[str, Any] = {"num_cpus": execution.threads}
    if execution.device.startswith("cuda"):
        asked["num_gpus"] = needs.gpus
    if needs.memory is not None:
        asked["memory"] = int(needs.memory * GB)
    return asked


def room(total: Mapping[str, float], asked: Mapping[str, Any]) -> int:
    """How many such cells run at once where that much is there in all."""
    names = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
    return int(min(total.get(names[key], 0.0) / amount + 1e-9 for key, amount in asked.items()))


def in_words(asked: Mapping[str, Any]) -> str:
    """For people: `1 CPU, 0.25 GPU, 8 GB of memory`."""
    forms = {"num_cpus": "{:g} CPU", "num_gpus": "{:g} GPU", "memory": "{:g} GB of memory"}
    return ", ".join(forms[key].format(amount / GB if key == "memory" else amount) for key, amount in asked.items())
