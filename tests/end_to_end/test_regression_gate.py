"""The gate on cells that were really run: a defense made worse is named, a change without effect passes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.end_to_end.test_command_line import fflbench

SUITE = """
name = "gate"
seeds = [0, 1, 2]
defenses = ["fedavg", "careful-mean"]

[poisoning]
attacks = ["none", { name = "gaussian-noise", attackers = 0.2 }]

[[poisoning.tasks]]
label = "clothes"
dataset = "fashion-mnist-small"
model = { name = "mlp", hidden = [8] }
peers = 5
rounds = 6
batch_size = 100
learning_rate = 0.05
reported_models = 2
"""

PLUGIN = '''
from fflbench.contracts import Aggregate, Aggregator
from fflbench.registry import register


@register("careful-mean")
class CarefulMean(Aggregator):
    """The mean of the updates."""

    def aggregate(self, upload, round):
        return Aggregate({step})
'''


def run(folder: Path, step: str, results: str) -> None:
    (folder / "defense.py").write_text(PLUGIN.format(step=step))
    output = fflbench("run", "gate.toml", "--plugin", "defense.py", "--results", results, "--jobs", "2", folder=folder)
    assert "12 ok" in output


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the suite and its first results, `before`."""
    folder = tmp_path_factory.mktemp("gate")
    (folder / "gate.toml").write_text(SUITE)
    run(folder, "upload.rows.mean(0)", "before")
    return folder


def test_a_defense_made_worse_is_named_and_no_other(work: Path) -> None:
    """Its updates are shortened: the name, the label and the specification stay, only the code is another."""
    run(work, "upload.rows.mean(0) * 0.05", "worse")
    output = fflbench("compare", "before", "worse", folder=work, code=1)
    regressions = output.split("Regressions")[1].split("12 cells")[0]
    assert "careful-mean" in regressions
    assert "fedavg" not in regressions
    assert "4 cells: " in output


def test_a_change_without_effect_passes(work: Path) -> None:
    run(work, "upload.rows.clone().mean(dim=0)", "same")
    output = fflbench("compare", "before", "same", folder=work)
    assert "passed: no regression in 4 cells" in output
    before, after = ({path.name for path in (work / name / "records").glob("*.json")} for name in ("before", "same"))
    assert len(before & after) == 6, "the plug-in's cells have other digests: their code is another"


def test_cells_of_another_suite_or_lost_ones_fail(work: Path) -> None:
    shutil.copytree(work / "before", work / "lost")
    sorted((work / "lost" / "records").glob("*.json"))[0].unlink()
    assert "1 cell broken" in fflbench("compare", "before", "lost", folder=work, code=1)
    changed = SUITE.replace("rounds = 6", "rounds = 1").replace("seeds = [0, 1, 2]", "seeds = [0]")
    (work / "other.toml").write_text(changed)
    fflbench("run", "other.toml", "--plugin", "defense.py", "--results", "other", "--only", "clothes/none", folder=work)
    output = fflbench("compare", "before", "other", "--only", "clothes/none", folder=work, code=1)
    assert "not comparable: the task's specification changed (settings.rounds 6 -> 1)" in output.replace("\n", " ")
