"""A suite that runs in seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

TINY = """
name = "tiny"
seeds = [0, 1]
defenses = [{defenses}]

[poisoning]
attacks = ["none", {{ name = "gaussian-noise", attackers = 0.4 }}]

[[poisoning.tasks]]
label = "clothes"
dataset = "fashion-mnist-small"
model = {{ name = "mlp", hidden = [8] }}
peers = 6
rounds = 3
batch_size = 100
reported_models = 2

[reconstruction]
defenses = ["fedavg", "ffl"]
attacks = [{{ name = "inverting-gradients", steps = 5 }}]

[[reconstruction.tasks]]
label = "picture"
dataset = "fashion-mnist-small"
model = {{ name = "mlp", hidden = [8] }}
batch = 2
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_tiny(tmp_path)


def write_tiny(folder: Path, *more: str) -> Path:
    """The suite with FedAvg, FFL and the defenses named."""
    path = folder / "tiny.toml"
    names = ['"fedavg"', '{ name = "ffl", warmup = 1 }', *(f'"{name}"' for name in more)]
    path.write_text(TINY.format(defenses=", ".join(names)))
    return path
