"""What the defense promises, checked at every change."""

from __future__ import annotations

import pytest

SUITE = "suite.toml"
DEFENSE = "my_defense.py:MedianNormMean"


@pytest.mark.parametrize("attack", ["none", "gaussian-noise", "sign-flip"])
def test_it_learns_whatever_the_attack(fflbench, attack: str) -> None:
    assert fflbench.score(DEFENSE, suite=SUITE, task="clothes", attack=attack, seeds=(0, 1)) > 60


def test_nothing_got_worse(fflbench) -> None:
    results = fflbench.run(SUITE, plugins=["my_defense.py"])
    assert fflbench.compare("baseline", results).regressions == []
