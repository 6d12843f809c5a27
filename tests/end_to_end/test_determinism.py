"""One seed gives one result: cells of the quickstart, computed in every way there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fflbench.records import RecordStore
from fflbench.runner.cell import run_cell
from fflbench.runner.options import Settings
from fflbench.runner.plan import plan
from fflbench.runner.run import start
from fflbench.suite import load_suite
from tests.faults.conftest import command, wait_until

ONLY = ("fashion-mnist/label-flip/ffl", "batch of 4/inverting-gradients/ffl")


def computed(results: Path) -> dict[str, Any]:
    found, problems = RecordStore(results).read_all()
    assert problems == []
    assert {record.status for record in found} == {"ok"}
    return {record.specification.name: record.comparable() for record in found}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Computed in this process, the last cell first."""
    store = RecordStore(tmp_path_factory.mktemp("here"))
    for item in reversed(plan(load_suite("quickstart"), ONLY, (0,))):
        run_cell(item.cell, store)
    found = computed(store.folder)
    assert len(found) == 2
    return found


@pytest.fixture(params=["one worker", "two workers", "resumed", "ray"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A results folder filled in another way."""
    words = [word for pattern in ONLY for word in ("--only", pattern)]
    if request.param == "resumed":
        with command(Path("quickstart"), tmp_path / "r", *words, "--seeds", "0", jobs=2) as run:
            wait_until(lambda: len(list((tmp_path / "r" / "checkpoints").glob("*.npz"))) >= 1)
            run.kill()
        with command(Path("quickstart"), tmp_path / "r", *words, "--seeds", "0", jobs=1) as run:
            run.wait()
        resumed = [record.provenance.resumed for record in RecordStore(tmp_path / "r").read_all()[0]]
        assert sum(resumed) >= 1
    else:
        if request.param == "ray":
            pytest.importorskip("ray")
        jobs, ray = {"one worker": (1, None), "two workers": (2, None), "ray": (1, "local")}[request.param]
        running = start(load_suite("quickstart"), tmp_path / "r", Settings(jobs=jobs, ray=ray, only=ONLY, seeds=(0,)))
        for _ in running.go():
            pass
    return tmp_path / "r"


def test_the_same_records(here: dict[str, Any], elsewhere: Path) -> None:
    assert computed(elsewhere) == here
