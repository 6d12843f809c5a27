"""A suite of one task that takes a moment, for the repositories of defense authors in these tests."""

from __future__ import annotations


def small_suite(name: str, *defenses: str) -> str:
    """A suite file without attackers; `defenses` as TOML has them."""
    return f"""
name = "{name}"
seeds = [0]
defenses = [{", ".join(defenses)}]
[poisoning]
attacks = ["none"]
[[poisoning.tasks]]
label = "clothes"
dataset = "fashion-mnist-small"
model = {{ name = "mlp", hidden = [16] }}
peers = 3
rounds = 4
batch_size = 100
learning_rate = 0.05
"""
