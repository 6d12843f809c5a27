"""The results folder breaks: full, damaged, read-only, half written, of other code. What is finished stays, and what happened
is said."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fflbench.errors import UserError
from fflbench.execution import Execution
from fflbench.extension import FLAVOURS
from fflbench.records import RecordStore
from fflbench.runner.options import Settings
from fflbench.runner.plan import plan
from fflbench.runner.run import Run, start
from fflbench.runner.stale import stale_records
from fflbench.suite import load_suite
from tests.faults.conftest import CELLS, Tally, begun, command, comparable, kept, records, wait_until, write_suite

HALF = 11


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, truth: dict[str, Any]) -> Path:
    """A folder with the suite and the results of its first seed."""
    folder = tmp_path_factory.mktemp("finished")
    go(write_suite(folder), folder / "r", seeds=(0,))
    return folder


@pytest.fixture
def half(finished: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A copy of it to break: the suite and the results."""
    subprocess.run(["cp", "-r", f"{finished}/.", str(tmp_path)], check=True)
    return tmp_path / "broken.toml", tmp_path / "r"


def go(suite: Path, results: Path, **settings: Any) -> Run:
    run = start(load_suite(str(suite)), results, Settings(**{"jobs": 2, **settings}))
    for _ in run.go():
        pass
    return run


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[data.index(b'"status"') + 3] ^= 0x04
    path.write_bytes(bytes(data))


def rename(path: Path) -> None:
    other = next(p for p in sorted(path.parent.glob("*.json")) if p != path)
    path.write_bytes(other.read_bytes())


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut in half": truncate,
    "emptied": lambda path: path.write_bytes(b""),
    "with a flipped bit": flip,
    "of zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "that is another's under its name": rename,
    "of a later schema": lambda path: path.write_text(
        path.read_text().replace('"schema_version": 1', '"schema_version": 2')
    ),
    "with a number that is none": lambda path: path.write_text(path.read_text().replace('"seed": 0', '"seed": NaN')),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_record_is_said_and_its_cell_runs_again(
    damage: str, half: tuple[Path, Path], truth: dict[str, Any], tally: Tally
) -> None:
    suite, results = half
    victim = next(path for path in sorted(results.glob("records/*.json")) if b'"track": "poisoning"' in path.read_bytes())
    others = {name: data for name, data in kept(results).items() if victim.stem not in name}
    starts = begun(results)
    DAMAGE[damage](victim)
    run = go(suite, results, seeds=(0,))
    assert [victim.name in notice and "its cell runs again" in notice for notice in run.notices
            if not notice.startswith("cost: ")] == [True]  # fmt: skip
    lost = sum(kept(results)[name] != data for name, data in others.items())
    lost += sum(truth[name] != found for name, found in comparable(records(results)).items())
    again = begun(results) - starts
    assert len(run.finished) == HALF
    assert again == {victim.stem: 1}
    tally(f"a record {damage}", 1, lost)


def test_half_written_files_claims_of_the_dead_and_broken_notes_do_no_harm(
    half: tuple[Path, Path], truth: dict[str, Any], tally: Tally
) -> None:
    suite, results = half
    open_ = [item.cell.digest for item in plan(load_suite(str(suite)), (), (1,))]
    (results / "records" / ".writing-0123").write_bytes(b'{"digest": "')
    (results / "records" / f"{open_[0]}.claim").write_text("")  # Its maker died before it said who it is.
    (results / "records" / f"{open_[1]}.claim").write_text("0123456789ab")
    dead = {"pid": 2**22 - 3, "host": "here", "place": "", "born": 1.0, "seen": 0.0, "beat": 1, "left": True}
    (results / "runs" / "0123456789ab.json").write_text(json.dumps(dead))
    (results / "runs" / "broken.json").write_text("{")
    for folder, name, text in (("running", open_[2], "nonsense"), ("checkpoints", open_[3], "nonsense")):
        (results / folder).mkdir(exist_ok=True)
        (results / folder / f"{name}.{'json' if folder == 'running' else 'npz'}").write_text(text)
    (results / "records" / f"{open_[0]}.claim").unlink()
    finished_before = kept(results)
    go(suite, results)
    lost = sum(kept(results)[name] != data for name, data in finished_before.items())
    lost += sum(comparable(records(results))[name] != wanted for name, wanted in truth.items())
    tally("half-written files, claims of dead runs, broken notes and checkpoints", 1, lost,
          sum(count > 1 for count in begun(results).values()))  # fmt: skip


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MB in the place of the results folder."""
    results = tmp_path / "small"
    results.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(results)], check=False).returncode:
        pytest.skip("cannot mount a small file system here")
    try:
        yield results
    finally:
        subprocess.run(["umount", "-l", str(results)], check=True)


def test_a_disk_that_fills_up_loses_nothing(tmp_path: Path, small_disk: Path, truth: dict[str, Any], tally: Tally) -> None:
    """Filled to the last byte while cells run: they are finished into the reserve, no more are begun."""
    suite, filler = write_suite(tmp_path), small_disk / "filler"
    with command(suite, small_disk, "--seeds", "0") as run:
        wait_until(lambda: len(list(small_disk.glob("records/*.json"))) >= 2)
        while run.process.poll() is None and (small_disk / ".reserve").exists():
            _fill(filler)
            time.sleep(0.2)
        output = run.wait()
    assert run.process.returncode == 2, output
    assert "the disk is full" in output
    assert "what is finished is kept" in output
    finished, starts = kept(small_disk), begun(small_disk)
    written = len(records(small_disk))
    said = output.count("] ok ")
    filler.unlink()
    with command(suite, small_disk, "--seeds", "0") as run:
        assert f"{HALF} of {HALF} cells" in run.wait()
    lost = (said - written) + sum(kept(small_disk)[name] != data for name, data in finished.items())
    lost += sum(truth[name] != found for name, found in comparable(records(small_disk)).items())
    twice = sum(begun(small_disk)[digest] > starts[digest] for digest in starts if f"records/{digest}.json" in finished)
    tally("a disk that fills up in mid-run", 1, lost, twice)


def test_a_disk_too_full_to_begin_a_cell_finishes_those_that_run(tmp_path: Path, small_disk: Path) -> None:
    """Full between two cells, while the reserve is still there: nothing can be claimed, what runs is finished."""
    run = start(load_suite(str(write_suite(tmp_path))), small_disk, Settings(jobs=2, seeds=(0,)))
    going = run.go()
    assert next(finished for finished in going if finished)
    assert (small_disk / ".reserve").exists()
    _fill(small_disk / "filler")
    assert len(run.running) == 1, "one of two still runs when the disk is full"
    with pytest.raises(UserError, match=r"small.*the disk is full.*what is finished is kept"):
        list(going)
    # A worker that frees a page in that moment may let one more begin.
    assert len(records(small_disk)) == len(run.finished) in (2, 3)
    (small_disk / "filler").unlink()
    assert go(tmp_path / "broken.toml", small_disk, seeds=(0,)).counts == {"ok": HALF}
    assert not list(small_disk.glob("records/*.claim"))


def test_a_full_disk_is_said_before_anything_runs(tmp_path: Path, small_disk: Path) -> None:
    _fill(small_disk / "filler")
    with pytest.raises(UserError, match=r"small.*(disk is full|cannot be written to)"):
        go(write_suite(tmp_path), small_disk)


def test_a_folder_that_cannot_be_written_to_is_said_before_anything_runs(tmp_path: Path, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(UserError, match=r"results folder .*small: cannot be written to \(Read-only file system\)"):
        go(write_suite(tmp_path), small_disk)


def _fill(path: Path) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    block = bytes(4096)
    try:
        while True:
            os.write(descriptor, block)
    except OSError:
        os.close(descriptor)


def make_of_other_code(path: Path, **provenance: Any) -> None:
    """The record as other code would have left it: under another digest."""
    values = json.loads(path.read_text())
    values["digest"] = "0" + values["digest"][1:] if values["digest"][0] != "0" else "1" + values["digest"][1:]
    values["provenance"] |= provenance
    path.unlink()
    (path.parent / f"{values['digest']}.json").write_text(json.dumps(values))


def test_records_of_other_code_data_or_computing_are_said_and_not_used(half: tuple[Path, Path]) -> None:
    suite, results = half
    for path in sorted(results.glob("records/*.json"))[:3]:
        make_of_other_code(path, engine="0" * 64)
    run = start(load_suite(str(suite)), results, Settings(seeds=(0,)))
    assert run.notices == ["3 records here are of these cells but of another engine: kept, not used"]
    done = go(suite, results, seeds=(0,))
    assert sum(item.new for item in done.finished) == 3
    assert len(list(results.glob("records/*.json"))) == HALF + 3


def test_other_sources_of_many_plugins_are_one_line(half: tuple[Path, Path]) -> None:
    suite, results = half
    for path in results.glob("records/*.json"):
        make_of_other_code(path, plugins={})
    (line,) = start(load_suite(str(suite)), results, Settings(seeds=(0,))).notices
    assert re.fullmatch(rf"{HALF} records here are of these cells but of another source of ([\w/-]+, ){{4}}[\w/-]+ and \d+ "
                        r"more: kept, not used", line)  # fmt: skip


@pytest.mark.parametrize(("execution", "why"), [
    (Execution(threads=2), "threads 1"), (Execution(precision="bfloat16"), "precision float32"),
    (Execution(device="cuda:1"), "device cpu"),
])  # fmt: skip
def test_another_way_to_compute_makes_records_stale(half: tuple[Path, Path], execution: Execution, why: str) -> None:
    suite, results = half
    planned = plan(load_suite(str(suite)), (), (0,), execution)
    assert stale_records(start(load_suite(str(suite)), results, Settings()).store, planned) == {why: HALF}


@pytest.mark.skipif(not FLAVOURS, reason="the native loop was not built")
def test_another_engine_makes_records_stale(half: tuple[Path, Path]) -> None:
    suite, results = half
    planned = plan(load_suite(str(suite)), (), (0,), Execution(engine="torch"))
    assert stale_records(RecordStore(results), planned) == {"the native engine": HALF}


def test_all_seeds_go_on_from_the_first(half: tuple[Path, Path], truth: dict[str, Any]) -> None:
    suite, results = half
    run = go(suite, results)
    assert sum(item.new for item in run.finished) == CELLS - HALF
    assert comparable(records(results)) == truth
