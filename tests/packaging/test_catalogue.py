"""The catalogue in docs/ is what the registry says, and says what a reader needs of every plug-in."""

from __future__ import annotations

from pathlib import Path

import pytest

from fflbench import registry
from fflbench.contracts import Attack, DefensePart

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("kind", ["attacks", "defenses"])
def test_every_built_in_says_what_it_assumes_and_costs(kind: str) -> None:
    lacking = [
        name
        for name, plugin in registry.plugins(kind).items()
        if plugin.built_in
        and plugin.works()
        and isinstance(target := plugin.load(), type)
        and issubclass(target, (Attack, DefensePart))
        if name != "none" and not (target.assumes and target.cost)
    ]
    assert lacking == []
