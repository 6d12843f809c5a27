"""Running a suite: same results however it runs, nothing twice, nothing lost."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from fflbench.errors import UserError
from fflbench.execution import Execution
from fflbench.records import Record, RecordStore
from fflbench.runner.cell import Cell
from fflbench.runner.local import Limits, LocalWorkers
from fflbench.runner.options import Settings
from fflbench.runner.run import Run, start
from fflbench.settings import Resources
from fflbench.suite import load_suite
from tests.runner.conftest import write_tiny

COMMAND = [sys.executable, "-m", "fflbench"]


def run(suite: Path, results: Path, **settings: object) -> Run:
    running = start(load_suite(str(suite)), results, Settings(**settings))
    for _ in running.go():
        pass
    return running


def records(results: Path) -> dict[str, Record]:
    found, problems = RecordStore(results).read_all()
    assert problems == []
    return {record.specification.name: record for record in found}


def test_one_worker_and_two_agree_bit_for_bit_and_a_rerun_does_nothing(tiny: Path, tmp_path: Path) -> None:
    run(tiny, tmp_path / "one", jobs=1)
    run(tiny, tmp_path / "two", jobs=2)
    one, two = records(tmp_path / "one"), records(tmp_path / "two")
    assert len(one) == 2 * (2 * 2 + 2)
    assert {r.status for r in one.values()} == {"ok"}
    assert {name: r.comparable() for name, r in one.items()} == {name: r.comparable() for name, r in two.items()}

    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "two" / "records").iterdir()}
    again = run(tiny, tmp_path / "two", jobs=2)
    assert [item.new for item in again.finished] == [False] * len(one)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "two" / "records").iterdir()} == written


def test_only_what_is_missing_runs(tiny: Path, tmp_path: Path) -> None:
    first = run(tiny, tmp_path / "r", jobs=1, only=("clothes/none",), seeds=(0,))
    lost = first.store.path(first.finished[0].cell.digest)
    kept = lost.read_bytes()
    lost.write_bytes(kept[: len(kept) // 2])
    second = run(tiny, tmp_path / "r", jobs=1, only=("clothes/none",), seeds=(0,))
    assert Counter(item.new for item in second.finished) == {True: 1, False: 1}
    assert Record.model_validate_json(lost.read_bytes()).comparable() == Record.model_validate_json(kept).comparable()


def test_what_the_server_sees_alike_is_observed_once_and_recorded_for_each(tmp_path: Path) -> None:
    suite = write_tiny(tmp_path, "median", "fragment-mixing+krum")
    suite.write_text(suite.read_text().replace('defenses = ["fedavg", "ffl"]\n', "", 1))
    together = run(suite, tmp_path / "together", jobs=2, only=("picture",), seeds=(0,))
    alone = run(suite, tmp_path / "alone", jobs=1, only=("picture/*/median", "picture/*/fragment-mixing+krum"), seeds=(0,))
    assert len(together.finished) == 4
    first, second = records(tmp_path / "together"), records(tmp_path / "alone")
    assert {name: first[name].comparable() for name in second} == {name: r.comparable() for name, r in second.items()}
    assert first["picture / inverting-gradients / median / seed 0"].metrics == first[
        "picture / inverting-gradients / fedavg / seed 0"].metrics  # fmt: skip
    for item in alone.finished:
        record = alone.store.read(item.cell.digest)
        assert record is not None
        assert all((tmp_path / "together" / artefact.file).is_file() for artefact in record.artefacts)


def test_where_no_stage_changes_an_upload_both_strategies_are_computed_once(tmp_path: Path) -> None:
    suite = write_tiny(tmp_path, "median")
    noise = '{ name = "gaussian-noise", attackers = 0.4'
    suite.write_text(suite.read_text().replace(noise, f'{noise}, label = "cheat", strategy = "S2" }}, {noise}', 1))
    together = run(suite, tmp_path / "together", jobs=2, only=("clothes/cheat", "clothes/gaussian-noise"), seeds=(0,))
    alone = run(suite, tmp_path / "alone", jobs=2, only=("clothes/cheat",), seeds=(0,))
    first, second = records(tmp_path / "together"), records(tmp_path / "alone")
    assert len(together.finished) == 6
    assert len(alone.finished) == 3
    assert {name: first[name].comparable() for name in second} == {name: r.comparable() for name, r in second.items()}
    computed = {name for name, record in first.items() if together.store.log(record.digest).is_file()}
    attacked = {rule: {name for name in computed if f" / {rule} / " in name} for rule in ("fedavg", "median", "ffl")}
    assert {rule: len(names) for rule, names in attacked.items()} == {"fedavg": 1, "median": 1, "ffl": 2}


def test_a_change_of_the_plugins_source_makes_its_records_stale_and_no_others(tmp_path: Path) -> None:
    text = """
from fflbench.contracts import Aggregate, Aggregator
from fflbench.registry import register
from helper_of_mine import FACTOR
@register("scaled-{n}")
class Scaled(Aggregator):
    '''Scaled mean.'''
    def aggregate(self, upload, round):
        return Aggregate(upload.rows.mean(0) * FACTOR)
"""
    digests = []
    for n, factor in (("1", "1.0"), ("1", "0.5")):
        folder = tmp_path / factor
        folder.mkdir()
        (folder / "helper_of_mine.py").write_text(f"FACTOR = {factor}\n")
        (folder / "plugin.py").write_text(text.format(n=n))
        suite = write_tiny(folder, f"scaled-{n}")
        script = (
            "import sys; from pathlib import Path; from fflbench import registry; from fflbench.suite import load_suite;"
            "from fflbench.runner.plan import plan; sys.path.insert(0, sys.argv[2]);"
            "registry.load_file(Path(sys.argv[2]) / 'plugin.py');"
            "[print(p.cell.specification.defense.label, p.cell.digest) for p in plan(load_suite(sys.argv[1]),"
            "('clothes/none',), (0,))]"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, str(suite), str(folder)], capture_output=True, text=True, check=True
        )
        digests.append(dict(line.split() for line in done.stdout.splitlines()))
    assert digests[0]["fedavg"] == digests[1]["fedavg"]
    assert digests[0]["scaled-1"] != digests[1]["scaled-1"]


def test_a_results_folder_that_cannot_be_written_is_said_before_anything_runs(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"results folder .*: cannot be written to"):
        run(tiny, tmp_path / "file", jobs=1)


def test_a_cell_gets_the_cores_that_no_other_is_there_for(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, starting = list[int](), LocalWorkers.start

    def start_noted(self: LocalWorkers, cell: Cell, needs: Resources) -> None:
        started.append(cell.execution.abreast)
        starting(self, cell, needs)

    monkeypatch.setattr(LocalWorkers, "start", start_noted)
    run(tiny, tmp_path / "lone", jobs=3, only=("clothes/none/fedavg",), seeds=(0,))
    assert started == [3]
    started.clear()
    run(tiny, tmp_path / "pair", jobs=3, only=("clothes/none",), seeds=(0,))
    assert started == [1, 1]
    started.clear()
    run(tiny, tmp_path / "tight", jobs=3, only=("clothes/none/fedavg",), seeds=(0,), limits=Limits(memory=2.0))
    assert started in ([1], [2])
    lone, pair, tight = (records(tmp_path / name) for name in ("lone", "pair", "tight"))
    for name, record in lone.items():
        assert record.comparable() == pair[name].comparable() == tight[name].comparable()


def test_a_process_whose_gpu_has_failed_gets_no_other_cell(tiny: Path, tmp_path: Path) -> None:
    """What one cell does to a GPU every later one in its process would fail of."""
    nowhere = Execution(device="cuda:63")
    done = run(tiny, tmp_path / "r", jobs=1, only=("clothes/none",), execution=nowhere)
    assert done.counts == {"failed": 4}
    logs = [path.read_text() for path in (tmp_path / "r" / "logs").iterdir()]
    assert len({process for log in logs for process in re.findall(r"on cuda:63, process (\d+)", log)}) == 4
