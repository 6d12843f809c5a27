"""What a run says that it will cost, before it starts."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from torch import Tensor

from fflbench import registry
from fflbench.contracts import Observation, Reconstruction, ReconstructionAttack, Rng
from fflbench.federation.team import Team, Work
from fflbench.records import AttackSpec
from fflbench.runner.cell import make_cell
from fflbench.runner.cost import costs
from fflbench.runner.options import Settings
from fflbench.runner.plan import plan
from fflbench.runner.resources import at_once
from fflbench.runner.run import start
from fflbench.settings import Resources
from fflbench.suite import load_suite
from tests.runner.conftest import write_tiny


def test_a_run_states_the_cost_of_each_task_once_and_only_of_what_is_missing(tiny: Path, tmp_path: Path) -> None:
    run = start(load_suite(str(tiny)), tmp_path / "r", Settings(jobs=1, only=("clothes/none", "picture"), seeds=(0,)))
    for _ in run.go():
        pass
    said = [line for line in run.notices if line.startswith("cost: ")]
    assert [re.sub(r"[\d.]+ s\b", "N s", line) for line in said] == [
        "cost: clothes: 2 cells of about N s each",
        "cost: picture: 2 cells of up to N s each",
        "cost: in all about N s with 1 at once, judging by a few timed steps",
    ]
    again = start(load_suite(str(tiny)), tmp_path / "r", Settings(jobs=1, only=("clothes/none", "picture"), seeds=(0,)))
    for _ in again.go():
        pass
    assert not any(line.startswith("cost: ") for line in again.notices)


def test_a_cell_that_cannot_be_set_up_costs_nothing_here_and_says_why_when_it_runs(tmp_path: Path) -> None:
    path = write_tiny(tmp_path)
    path.write_text(path.read_text().replace("batch_size = 100", "batch_size = 100\nroot_examples = 4999"))
    cells = [item.cell for item in plan(load_suite(str(path)), ("clothes/none/fedavg",), (0,))]
    assert list(costs(cells, 1)) == []


def test_a_lone_cell_is_timed_with_the_cores_that_it_will_have(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained, train = list[int](), Team.train

    def train_noted(self: Team, work: Sequence[Work], start: Tensor) -> None:
        trained.append(len(work))
        train(self, work, start)

    monkeypatch.setattr(Team, "train", train_noted)
    cells = [item.cell for item in plan(load_suite(str(tiny)), ("clothes/none",), (0,))]
    assert len(list(costs(cells[:1], 3))) == len(list(costs(cells, 3))) == 2
    assert trained == [3, 3, 1, 1]


def test_on_gpus_no_more_cells_run_at_once_than_share_them() -> None:
    whole, quarter = Resources(), Resources(gpus=0.25)
    assert at_once(16, [whole], ["cpu"]) == at_once(16, [quarter], ["mps"]) == 16
    assert at_once(16, [whole], ["cuda:0"]) == 1
    assert at_once(16, [whole], ["cuda:0", "cuda:1"]) == 2
    assert at_once(16, [whole, quarter], ["cuda:1"]) == 4
    assert at_once(3, [quarter], ["cuda:1"]) == 3
    assert at_once(16, [Resources(gpus=0.1)], ["cuda:0"]) == 10


def test_nobody_elses_code_runs_in_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Leaving(ReconstructionAttack):
        """Ends its process."""

        def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
            os._exit(7)

    path = write_tiny(tmp_path)
    (spec,) = load_suite(str(path)).cells(("picture/*/fedavg",), (0,))
    plugin = registry.Plugin("attacks", "leaving", Leaving, "test")
    monkeypatch.setitem(registry._from_files, ("attacks", "leaving"), plugin)
    theirs = spec.model_copy(update={"attack": AttackSpec(label="leaving", name="leaving")})
    assert list(costs([make_cell(theirs, str(path))], 1)) == []
