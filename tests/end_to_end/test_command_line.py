"""The whole way as a user goes it: commands in a fresh folder, real data, files looked at."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from fflbench.records import RecordStore
from tests.runner.conftest import write_tiny


def fflbench(*words: str, folder: Path, code: int = 0) -> str:
    """Runs the command; returns what it printed. A traceback is never acceptable."""
    done = subprocess.run(
        [sys.executable, "-m", "fflbench", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    output = done.stdout + done.stderr
    assert done.returncode == code, output
    assert "Traceback" not in output
    return output


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the tiny suite has run and its leaderboard was written."""
    folder = tmp_path_factory.mktemp("work")
    write_tiny(folder)
    output = fflbench("run", "tiny.toml", "--jobs", "2", folder=folder)
    assert "12 of 12 cells" in output
    assert "12 ok" in output
    assert "Next: fflbench leaderboard results/tiny" in output
    return folder


def test_run_then_leaderboard(finished: Path) -> None:
    output = fflbench("leaderboard", "results/tiny", folder=finished)
    for word in ("clothes", "picture", "fedavg", "ffl", "gaussian-noise"):
        assert word in output
    results = finished / "results" / "tiny"
    page = (results / "leaderboard.html").read_text()
    assert page.startswith("<!DOCTYPE html>") or page.lower().startswith("<!doctype html>")
    assert 'data-part="wall-0"' in page, "pictures to unfold"
    rows = list(csv.DictReader((results / "leaderboard.csv").read_text().splitlines()))
    assert {row["defense"] for row in rows} >= {"fedavg", "ffl"}
    assert json.loads((results / "leaderboard.json").read_text())
    assert "gaussian-noise" in (results / "leaderboard.md").read_text()


def test_a_rerun_is_instant_and_a_damaged_record_is_named(finished: Path) -> None:
    assert "12 were there before" in fflbench("run", "tiny.toml", folder=finished)
    stray = finished / "results" / "tiny" / "records" / "notes.json"
    stray.write_text("{")
    output = fflbench("leaderboard", "results/tiny", folder=finished)
    assert "notes.json: not a usable record" in output
    stray.unlink()


def test_status_tells_how_the_last_run_ended_and_what_is_there(finished: Path) -> None:
    output = fflbench("status", "results/tiny", folder=finished)
    assert "no run is at work here; the last one (tiny) ended" in output
    assert "with 12 of 12 cells" in output
    assert "records: 12 ok" in output


def test_quiet_says_only_how_it_ended(finished: Path) -> None:
    output = fflbench("run", "tiny.toml", "--quiet", "--results", "results/quiet", "--only", "picture", folder=finished)
    assert output.splitlines()[0].startswith("4 of 4 cells in ")
    assert len(output.splitlines()) == 2


def test_lower_precision_is_recorded_and_gives_other_records(finished: Path) -> None:
    words = ("run", "tiny.toml", "--only", "clothes/none/fedavg", "--seeds", "0")
    output = fflbench(*words, "--precision", "bfloat16", folder=finished)
    assert "1 records here are of these cells but of precision float32: kept, not used" in output
    assert "1 ok" in output
    found, _ = RecordStore(finished / "results" / "tiny").read_all()
    lowered = next(record for record in found if record.provenance.precision == "bfloat16")
    full = next(record for record in found if record.specification == lowered.specification and record != lowered)
    assert lowered.metrics["accuracy"] == pytest.approx(full.metrics["accuracy"], abs=10)
    assert lowered.metrics["test-loss"] != full.metrics["test-loss"]
    RecordStore(finished / "results" / "tiny").path(lowered.digest).unlink()


def test_a_cell_that_cannot_fit_is_said_with_the_estimate_before_anything_runs(finished: Path) -> None:
    text = (
        (finished / "tiny.toml").read_text().replace("hidden = [8]", "hidden = [20000]").replace("peers = 6", "peers = 4000")
    )
    (finished / "huge.toml").write_text(text)
    output = fflbench("run", "huge.toml", "--only", "clothes/none/fedavg", folder=finished, code=2)
    assert "clothes / none / fedavg / seed 0: needs about " in output
    assert "GB: updates 254.4 (4,000 peers x 15,900,010 parameters)" in output
    assert "GB free. Use fewer peers" in output


def test_plan_shows_the_matrix(finished: Path) -> None:
    output = fflbench("plan", "tiny.toml", "--seeds", "5", folder=finished)
    assert "6 cells: 0 have a record, 6 would run, 0 are incompatible" in output
    assert "12 cells: 12 have a record, 0 would run" in fflbench("plan", "tiny.toml", folder=finished)


def test_a_users_defense_from_one_file(finished: Path) -> None:
    (finished / "mine.py").write_text(
        '''
from dataclasses import dataclass
from typing import Annotated
from pydantic import Field
from fflbench.contracts import Aggregate, Aggregator
from fflbench.registry import register

@register("signed-step")
@dataclass
class SignedStep(Aggregator):
    """The sign of the sum of signs, times a step."""
    step: Annotated[float, Field(gt=0)] = 1e-3

    def aggregate(self, upload, round):
        return Aggregate(upload.rows.sign().sum(0).sign() * self.step)
'''
    )
    write_tiny(finished / "results", "signed-step")
    (finished / "results" / "tiny.toml").rename(finished / "mine.toml")
    output = fflbench("run", "mine.toml", "--plugin", "mine.py", "--only", "clothes/none/signed-step", folder=finished)
    assert "2 ok" in output
    assert "signed-step" in fflbench("list", "defenses", "--plugin", "mine.py", folder=finished)
    shown = fflbench("info", "signed-step", "--plugin", "mine.py", folder=finished)
    assert "float > 0" in shown
    assert "The sign of the sum of signs" in shown
    output = fflbench("run", "mine.toml", folder=finished, code=2)
    assert "found 'signed-step', which is not registered" in output


@pytest.mark.parametrize(("words", "message"), [
    (("run", "quickstrat"), "did you mean quickstart?"),
    (("run", "tiny.toml", "--only", "clothes/nun"), "--only: found 'clothes/nun', which matches no cell"),
    (("run", "tiny.toml", "--seeds", "one"), "--seeds: found 'one', needs whole numbers"),
    (("run", "tiny.toml", "--device", "cuda:9"), "--device: found 'cuda:9', which torch cannot use here"),
    (("run", "tiny.toml", "--plugin", "absent.py"), "needs a Python file"),
    (("run", "greedy.toml"), "greedy.toml: poisoning.tasks.0.resources.memory: found -1, needs"),
    (("run", "sharing.toml"), "sharing.toml: poisoning.tasks.0.resources.gpus: found 2, needs"),
    (("status", "nowhere"), "status: nowhere: found no such folder, needs"),
    (("run", "tiny.toml", "--results", "tiny.toml"), "cannot be written to"),
    (("info", "krumm"), "did you mean krum"),
    (("leaderboard", "nowhere"), "nowhere"),
    (("leaderboard", "results/tiny", "--reference", "median"), "median"),
    (("data", "fetch", "imagenet"), "found 'imagenet', can fetch"),
])  # fmt: skip
def test_bad_input_is_one_line_and_exit_code_2(finished: Path, words: tuple[str, ...], message: str) -> None:
    for name, resources in (("greedy", "memory = -1"), ("sharing", "gpus = 2")):
        text = (finished / "tiny.toml").read_text().replace("peers = 6", f"peers = 6\nresources = {{ {resources} }}")
        (finished / f"{name}.toml").write_text(text)
    output = fflbench(*words, folder=finished, code=2)
    assert message in output
    lines = [line for line in output.strip().splitlines() if not line.endswith("loading and checking ...")]
    assert len(lines) == 1, output


def test_data_that_are_not_there_are_said_before_anything_runs(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FFLBENCH_DATA", str(finished / "empty"))
    text = (finished / "tiny.toml").read_text().replace('dataset = "fashion-mnist-small"', 'dataset = "mnist"')
    (finished / "mnist.toml").write_text(text)
    output = fflbench("run", "mnist.toml", "--results", "r", folder=finished, code=2)
    assert "fflbench data fetch mnist" in output
    assert not (finished / "r").exists()


def test_a_model_that_does_not_fit_the_data_is_said_before_anything_runs(finished: Path) -> None:
    text = (finished / "tiny.toml").read_text().replace('model = { name = "mlp", hidden = [8] }', 'model = "adult-mlp"', 1)
    (finished / "unfit.toml").write_text(text)
    output = fflbench("run", "unfit.toml", folder=finished, code=2)
    assert "task clothes: model 'adult-mlp'" in output


def test_doctor_and_lists(finished: Path) -> None:
    assert "ready" in fflbench("doctor", folder=finished)
    listed = fflbench("list", folder=finished)
    for word in ("quickstart", "gaussian-noise", "reputation", "convnet64", "movie-snippets", "label-recovery"):
        assert word in listed


def test_training_begins_without_what_only_pictures_tables_and_other_data_need(finished: Path) -> None:
    script = """
import sys
from fflbench.federation.trainer import Trainer
from fflbench.records import RecordStore
from fflbench.runner.cell import make_cell, run_cell
from fflbench.suite import load_suite
from pathlib import Path

def first_step(*_):
    print("loaded:", sorted({"torchvision", "pandas", "matplotlib", "sklearn", "PIL", "rich"} & set(sys.modules)))
    raise SystemExit

Trainer.train = first_step
cell = next(cell for cell in load_suite("tiny.toml").cells() if cell.track == "poisoning")
run_cell(make_cell(cell, "tiny"), RecordStore(Path("elsewhere")))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=finished, capture_output=True, text=True, check=False)
    assert "loaded: []" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("words", [("--help",), ("list",), ("list", "attacks"), ("run", "--help")])
def test_help_and_lists_do_not_import_torch(words: tuple[str, ...]) -> None:
    script = "import sys; sys.argv = ['fflbench', *sys.argv[1:]]\nfrom fflbench.__main__ import main\ntry:\n    main()\n" \
             "finally:\n    assert not {'torch', 'numpy', 'pandas', 'matplotlib'} & set(sys.modules), 'heavy imports'"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
