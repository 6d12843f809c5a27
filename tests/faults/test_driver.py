"""The run itself is killed, interrupted, joined by another: nothing finished is lost, nothing is run twice."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.faults.conftest import (
    CELLS,
    Tally,
    begun,
    command,
    comparable,
    kept,
    records,
    wait_until,
    write_suite,
)


def test_kill_9_at_any_moment(tmp_path: Path, truth: dict[str, Any], tally: Tally, request: pytest.FixtureRequest) -> None:
    """Killed again and again at random moments, each time begun again on what was left, until all is done."""
    suite, rng = write_suite(tmp_path), random.Random(0)
    kills, wanted, lost, twice, part = 0, request.config.getoption("--kills"), 0, 0, 0
    while kills < wanted:
        part += 1
        results = tmp_path / f"r{part}"
        while kills < wanted:
            finished, starts = kept(results), begun(results)
            with command(suite, results) as run:
                time.sleep(rng.uniform(2, 9))
                done = run.process.poll() is not None
                workers = [] if done else run.workers()
                run.kill()
            wait_until(lambda workers=workers: not any(_computes(worker) for worker in workers), timeout=10)
            after = kept(results)
            lost += sum(after.get(name) != data for name, data in finished.items())
            twice += sum(
                begun(results)[digest] > starts[digest] for digest in starts if f"records/{digest}.json" in finished
            )
            if done:
                break
            kills += 1
        with command(suite, results) as run:
            output = run.wait()
        assert run.process.returncode == 0, output
        lost += sum(comparable(records(results))[name] != wanted_record for name, wanted_record in truth.items())
    tally("`kill -9` of the run at a random moment", kills, lost, twice)


def _computes(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def test_a_cell_goes_on_where_it_was_killed(tmp_path: Path, tally: Tally) -> None:
    suite, results = write_suite(tmp_path, rounds=400), tmp_path / "r"
    only = ("--only", "clothes/none/ffl", "--seeds", "0")
    with command(suite, results, *only, jobs=1) as run:
        wait_until(lambda: list(results.glob("checkpoints/*.npz")))
        run.kill()
    with command(suite, results, *only, jobs=1) as run:
        assert "1 ok" in run.wait()
    (resumed,) = records(results).values()
    with command(suite, tmp_path / "whole", *only, jobs=1) as run:
        run.wait()
    (whole,) = records(tmp_path / "whole").values()
    assert resumed.provenance.resumed == 1
    assert not list(results.glob("checkpoints/*"))
    tally("`kill -9` in the middle of a long cell, which goes on from its checkpoint", 1,
          int(resumed.comparable() != whole.comparable()))  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_cleanly_and_the_same_command_goes_on(
    number: signal.Signals, tmp_path: Path, truth: dict[str, Any], tally: Tally
) -> None:
    suite, results, half = write_suite(tmp_path), tmp_path / "r", ("--seeds", "0")
    with command(suite, results, *half) as run:
        wait_until(lambda: list(results.glob("records/*.json")))
        os.killpg(run.process.pid, number)
        output = run.wait(60)
    assert run.process.returncode == 130, output
    assert "Interrupted. Nothing that was finished is lost" in output
    finished, starts = kept(results), begun(results)
    assert not list(results.glob("records/*.claim"))
    with command(suite, results, *half) as run:
        assert f"{CELLS // 2} of {CELLS // 2} cells" in run.wait()
    lost = sum(kept(results)[name] != data for name, data in finished.items())
    lost += sum(truth[name] != found for name, found in comparable(records(results)).items())
    twice = sum(begun(results)[digest] > starts[digest] for digest in starts if f"records/{digest}.json" in finished)
    tally(f"{number.name} to the run", 1, lost, twice)


def test_an_interrupted_start_ends_at_once_and_leaves_nobody(tmp_path: Path) -> None:
    with command(write_suite(tmp_path), tmp_path / "r") as run:
        assert run.process.stdout is not None
        assert "loading and checking" in run.process.stdout.readline()
        os.killpg(run.process.pid, signal.SIGINT)
        assert run.wait(60) == ""  # Up to the end of the last process that could write.
    assert run.process.returncode == 130


def test_two_runs_on_one_folder_share_the_work(tmp_path: Path, truth: dict[str, Any], tally: Tally) -> None:
    suite, results = write_suite(tmp_path), tmp_path / "r"
    with command(suite, results, jobs=1) as first, command(suite, results, jobs=1) as second:
        outputs = first.wait(), second.wait()
    assert [run.process.returncode for run in (first, second)] == [0, 0]
    for output in outputs:
        assert f"{CELLS} of {CELLS} cells" in output
        assert "came from another run" in output
        assert "] ok " in output, "did nothing itself"
    starts = begun(results)
    lost = sum(comparable(records(results))[name] != wanted for name, wanted in truth.items())
    tally("two runs at once on one folder", 2, lost, sum(count > 1 for count in starts.values()))


def test_what_a_killed_run_had_begun_is_taken_over_by_the_other(tmp_path: Path, truth: dict[str, Any], tally: Tally) -> None:
    suite, results = write_suite(tmp_path), tmp_path / "r"
    with command(suite, results, jobs=1) as first, command(suite, results, jobs=1) as second:
        wait_until(lambda: len(list(results.glob("records/*.json"))) >= 3)
        finished, starts = kept(results), begun(results)
        first.kill()
        output = second.wait()
    assert f"{CELLS} of {CELLS} cells" in output
    lost = sum(kept(results)[name] != data for name, data in finished.items())
    lost += sum(comparable(records(results))[name] != wanted for name, wanted in truth.items())
    twice = sum(begun(results)[digest] > starts[digest] for digest in starts if f"records/{digest}.json" in finished)
    tally("one of two runs on a folder killed", 1, lost, twice)
