"""The gate's promise, on a smaller version of the simulation in docs/ci.md: the same spreads, fewer defenses and reruns."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from scipy.stats import binom

ROOT = Path(__file__).resolve().parents[2]
RUNS, EVERY = 60, 8


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    spec = importlib.util.spec_from_file_location("false_alarms", ROOT / "tools" / "false_alarms.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["false_alarms"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("noise", ["tolerance", "normal", "t3", "redrawn"])
def test_noise_raises_no_more_alarms_than_promised(simulation: ModuleType, noise: str) -> None:
    """At a true rate of 5% more alarms than this come by chance in one test of a thousand."""
    every, one, *_ = simulation.rates(noise, 3, RUNS, EVERY)
    most = binom.ppf(0.999, RUNS, 0.05) / RUNS
    assert every <= most
    assert one <= most


def test_five_points_are_seen_where_seeds_differ_by_one(simulation: ModuleType) -> None:
    _, _, _, five, ten, amid = simulation.rates("tolerance", 3, RUNS, EVERY)
    assert min(five, ten, amid) >= 0.95


def test_a_rerun_is_the_same_every_time(simulation: ModuleType) -> None:
    assert simulation.rerun("redrawn", 3, EVERY, 7) == simulation.rerun("redrawn", 3, EVERY, 7)


def test_the_page_has_a_row_for_every_noise_and_number_of_seeds(simulation: ModuleType) -> None:
    table = simulation.PAGE.read_text(encoding="utf-8").split(simulation.BEGIN)[1].split(simulation.END)[0]
    rows = [line.strip("| ").split(" | ") for line in table.strip().splitlines()[2:]]
    assert [(row[0], row[1]) for row in rows] == [(w, str(s)) for w in simulation.NOISES.values() for s in simulation.SEEDS]
    for row in rows:
        assert float(row[2].rstrip("%")) < 5
        assert float(row[3].rstrip("%")) < 5
