"""A suite in less time: what is shortened, what is not, and that it says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from fflbench.errors import UserError
from fflbench.records import Specification
from fflbench.settings import FederationSettings
from fflbench.shortening import as_run
from fflbench.suite import Suite, load_suite

SUITE = """
name = "long"
seeds = [0]
defenses = [{ name = "ffl", warmup = 20 }, { name = "fldetector", start = 0, window = 10 }]

[poisoning]
attacks = [{ name = "sign-flip", start = 10, end = 55 }, { name = "sleeper", wake = 30 }]

[[poisoning.tasks]]
label = "clothes"
dataset = "fashion-mnist-small"
model = "strided-cnn"
peers = 10
rounds = 100
reported_models = 10

[reconstruction]
defenses = ["ffl"]
attacks = [{ name = "inverting-gradients", steps = 600 }, "analytic"]

[[reconstruction.tasks]]
label = "picture"
dataset = "fashion-mnist-small"
model = "mlp"
"""


def suite_of(tmp_path: Path) -> Suite:
    path = tmp_path / "suite.toml"
    path.write_text(SUITE)
    return load_suite(str(path))


def cell(suite: Suite, only: str) -> Specification:
    (found,) = suite.cells((only,))
    return found


def test_rounds_warm_up_and_the_attackers_time_shrink_together_and_the_record_says_by_how_much(tmp_path: Path) -> None:
    suite = suite_of(tmp_path).shortened(0.1)
    spec = cell(suite, "clothes/sign-flip/ffl")
    assert spec.task.settings["rounds"] == 100, "the suite's own figure stays"
    assert spec.task.settings["rounds_scale"] == 0.1
    assert spec.name == "clothes (shortened to 0.1) / sign-flip / ffl / seed 0"
    run = as_run(spec)
    settings = FederationSettings.model_validate(run.task.settings, strict=False)
    assert (settings.rounds, settings.reported_models, settings.peers) == (10, 1, 10)
    assert (run.attack.coalition["start"], run.attack.coalition["end"]) == (1, 6)
    assert run.defense.parts[1].parameters["warmup"] == 2
    assert as_run(run) == run, "once is enough"


def test_what_counts_neither_rounds_nor_steps_stays_and_nothing_that_was_there_becomes_nothing(tmp_path: Path) -> None:
    suite = suite_of(tmp_path).shortened(0.001)
    run = as_run(cell(suite, "clothes/sleeper/fldetector"))
    assert run.attack.parameters == {**cell(suite, "clothes/sleeper/fldetector").attack.parameters, "wake": 1}
    detector = run.defense.parts[0].parameters
    assert (detector["start"], detector["window"]) == (0, 2), "no window may be shorter"
    inverted = as_run(cell(suite, "picture/inverting-gradients/ffl"))
    assert inverted.attack.parameters["steps"] == 1
    assert inverted.attack.parameters["learning_rate"] == 0.1
    assert as_run(cell(suite, "picture/analytic/ffl")).attack.parameters == {}


def test_a_whole_suite_says_nothing_of_it_so_that_records_from_before_stay_the_same(tmp_path: Path) -> None:
    suite = suite_of(tmp_path)
    assert all("rounds_scale" not in spec.task.settings for spec in suite.shortened(1).cells())
    assert suite.shortened(1) == suite
    assert suite.shortened(0.5).shortened(0.5) == suite.shortened(0.25)


@pytest.mark.parametrize("scale", [0, -1, 1.5])
def test_a_share_of_nothing_or_of_more_than_all_is_one_clear_line(tmp_path: Path, scale: float) -> None:
    with pytest.raises(UserError, match=rf"^--rounds-scale: found {scale:g}, needs more than 0 and at most 1$"):
        suite_of(tmp_path).shortened(scale)
