"""Rounds whose updates outweigh everything else: there is one matrix of them, and the estimate says so beforehand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from fflbench.contracts import Upload
from fflbench.federation.memory import estimate
from fflbench.federation.rounds import put_back
from fflbench.federation.task import load_task
from fflbench.suite import load_suite

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux to measure peaks")

ROOT = Path(__file__).parents[2]
SUITE = """
name = "big"
seeds = [0]
defenses = ["fedavg", "median", "multi-krum", "ffl", "top-k+nnm+mean"]
[poisoning]
attacks = ["alie"]
[[poisoning.tasks]]
label = "warm"
dataset = "fashion-mnist-small"
model = { name = "mlp", hidden = [8] }
peers = 150
rounds = 1
batch_size = 5
[[poisoning.tasks]]
label = "big"
dataset = "fashion-mnist-small"
model = { name = "mlp", hidden = [600, 212] }
peers = 150
rounds = 1
batch_size = 5
reported_models = 1
[reconstruction]
attacks = ["analytic"]
defenses = ["ffl"]
[[reconstruction.tasks]]
label = "seen"
dataset = "fashion-mnist-small"
model = { name = "mlp", hidden = [600, 212] }
peers = 150
"""


def measured(module: str, *arguments: str) -> str:
    """What a measuring module prints, with every large block going back to the system when it is freed."""
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(1 << 19), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, env=environment, capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    path = tmp_path_factory.mktemp("big") / "suite.toml"
    path.write_text(SUITE)
    found = [json.loads(line) for line in measured("tests.federation.cell_peak", str(path)).splitlines()]
    return {cell["cell"]: cell for cell in found if not cell["cell"].startswith("warm")}


@pytest.mark.parametrize("defense", ["fedavg", "median", "multi-krum", "ffl"])
def test_a_round_holds_one_matrix_of_updates(cells: dict[str, Any], defense: str) -> None:
    cell = cells[f"big/alie/{defense}"]
    assert cell["updates"] > 3.5e8
    assert cell["peak"] - cell["before"] <= 1.5 * cell["updates"]


def test_the_estimate_is_enough_and_not_twice_what_is_needed(cells: dict[str, Any]) -> None:
    assert len(cells) == 6
    for cell in cells.values():
        assert cell["estimate"] / 2 <= cell["peak"] <= cell["estimate"], cell


def test_the_estimate_in_words(tmp_path: Path) -> None:
    path = tmp_path / "suite.toml"
    path.write_text(SUITE.replace("peers = 150", "peers = 1000"))
    spec = next(c for c in load_suite(str(path)).cells() if (c.task.label, c.defense.label) == ("big", "median"))
    line = str(estimate(spec, load_task(spec.task)))
    assert "updates 2.4 (1,000 peers x 600,542 parameters), workspace 0.2 (median)" in line
    assert "process" in line


def test_rows_go_back_to_their_places_in_place() -> None:
    for seed in range(20):
        order = torch.randperm(9, generator=torch.Generator().manual_seed(seed)).tolist()
        rows = torch.tensor([[float(place)] for place in order])
        put_back(rows, order)
        assert rows.flatten().tolist() == list(range(9))


def test_an_upload_is_narrowed_where_it_lies() -> None:
    upload = Upload(torch.arange(5.0)[:, None].repeat(1, 2), (10, 11, 12, 13, 14))
    copied, narrowed = upload.only([1, 3, 4]), upload.narrowed([1, 3, 4])
    assert torch.equal(narrowed.rows, copied.rows)
    assert narrowed.peers == copied.peers == (11, 13, 14)
    assert narrowed.rows.data_ptr() == upload.rows.data_ptr()
