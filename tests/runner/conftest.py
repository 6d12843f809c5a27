"""A suite that runs in seconds, and plug-ins that misbehave."""

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

MISBEHAVING = '''
import os, signal, time
from fflbench.contracts import Aggregate, Aggregator
from fflbench.registry import register

class Bad(Aggregator):
    """Misbehaves."""
    def aggregate(self, upload, round):
        self.misbehave()
        return Aggregate(upload.rows.mean(0))

@register("raising")
class Raising(Bad):
    """Raises."""
    def misbehave(self):
        raise ZeroDivisionError("on purpose")

@register("killed")
class Killed(Bad):
    """Kills its process."""
    def misbehave(self):
        os.kill(os.getpid(), signal.SIGKILL)

@register("exiting")
class Exiting(Bad):
    """Leaves without a word."""
    def misbehave(self):
        os._exit(7)

@register("hanging")
class Hanging(Bad):
    """Never returns."""
    def misbehave(self):
        time.sleep(3600)

@register("exploding")
class Exploding(Bad):
    """Returns a step that is not finite."""
    def aggregate(self, upload, round):
        step = upload.rows.mean(0)
        return Aggregate(step / 0 if round.index else step)
'''


@pytest.fixture
def misbehaving(tmp_path: Path) -> Path:
    path = tmp_path / "misbehaving.py"
    path.write_text(MISBEHAVING)
    return path


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_tiny(tmp_path)


def write_tiny(folder: Path, *more: str) -> Path:
    """The suite with FedAvg, FFL and the defenses named."""
    path = folder / "tiny.toml"
    names = ['"fedavg"', '{ name = "ffl", warmup = 1 }', *(f'"{name}"' for name in more)]
    path.write_text(TINY.format(defenses=", ".join(names)))
    return path
