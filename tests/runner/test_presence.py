"""Claims on cells: one owner each, free again when the owner has left, died, or fallen silent elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from fflbench.runner import presence
from fflbench.runner.presence import Presence, journals

CELL = "a" * 64


def arrive(folder: Path) -> Presence:
    found = Presence(folder)
    found.beat(lambda: {"started": 1.0}, now=True)
    return found


def rewrite(folder: Path, run: str, **values: Any) -> None:
    path = folder / "runs" / f"{run}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_cell_has_one_owner_until_it_is_released(tmp_path: Path) -> None:
    one, two = arrive(tmp_path), arrive(tmp_path)
    assert one.claim(CELL)
    assert one.claim(CELL), "ours already"
    assert not two.claim(CELL)
    two.release(CELL)
    assert not two.claim(CELL), "only the owner gives it up"
    one.release(CELL)
    assert two.claim(CELL)


def test_of_many_that_want_it_at_once_one_gets_it(tmp_path: Path) -> None:
    runs, won = [arrive(tmp_path) for _ in range(8)], Counter[str]()
    cells = [f"{index:064x}" for index in range(50)]

    def grab(run: Presence) -> None:
        for cell in cells:
            if run.claim(cell):
                won[cell] += 1

    threads = [threading.Thread(target=grab, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == dict.fromkeys(cells, 1)


def test_what_a_run_that_left_had_claimed_is_free(tmp_path: Path) -> None:
    one, two = arrive(tmp_path), arrive(tmp_path)
    assert one.claim(CELL)
    one.leave({"started": 1.0})
    assert two.claim(CELL)


def test_what_a_dead_process_had_claimed_is_free_at_once(tmp_path: Path) -> None:
    script = ("import sys; from pathlib import Path; from fflbench.runner.presence import Presence;"
              "p = Presence(Path(sys.argv[1])); p.beat(dict, now=True); print(p.claim(sys.argv[2]))")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path), CELL], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
    assert arrive(tmp_path).claim(CELL)


def test_a_number_used_again_by_another_process_is_not_the_run(tmp_path: Path) -> None:
    one, two = arrive(tmp_path), arrive(tmp_path)
    assert one.claim(CELL)
    rewrite(tmp_path, one.run, pid=os.getppid(), born=1.0)
    assert two.claim(CELL)


def test_a_run_on_another_machine_is_gone_when_it_has_been_silent_by_our_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(presence.time, "monotonic", lambda: now[0])
    one, two = arrive(tmp_path), arrive(tmp_path)
    assert one.claim(CELL)
    rewrite(tmp_path, one.run, place="elsewhere", seen=0.0)  # Its clock is decades behind: that tells nothing.
    assert not two.claim(CELL)
    now[0] += presence.SILENCE - 1
    rewrite(tmp_path, one.run, beat=7)
    assert not two.claim(CELL), "it beats"
    now[0] += presence.SILENCE - 1
    assert not two.claim(CELL)
    now[0] += 2
    assert two.claim(CELL)


@pytest.mark.parametrize("claim", ["", "0123456789ab", "\x00"])
def test_a_claim_by_nobody_known_is_free_after_the_silence(
    claim: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(presence.time, "monotonic", lambda: now[0])
    run = arrive(tmp_path)
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / f"{CELL}.claim").write_text(claim)
    assert not run.claim(CELL)
    now[0] += presence.SILENCE + 1
    assert run.claim(CELL)


def test_a_claim_that_another_took_over_first_stays_its(tmp_path: Path) -> None:
    dead, two, three = arrive(tmp_path), arrive(tmp_path), arrive(tmp_path)
    assert dead.claim(CELL)
    dead.leave({})
    assert two.claim(CELL)
    three._take_from(tmp_path / "records" / f"{CELL}.claim", dead.run)  # Saw the dead owner, but acts only now.
    assert three.owner(CELL) == two.run


def test_journals_tell_who_is_there(tmp_path: Path) -> None:
    here, left, elsewhere = arrive(tmp_path), arrive(tmp_path), arrive(tmp_path)
    left.leave({"started": 2.0})
    rewrite(tmp_path, elsewhere.run, place="elsewhere", started=3.0)
    (tmp_path / "runs" / "broken.json").write_text("{")
    found = {journal.run: journal.alive for journal in journals(tmp_path)}
    assert found == {here.run: True, left.run: False, elsewhere.run: True}
    rewrite(tmp_path, elsewhere.run, seen=0.0)
    assert [journal.run for journal in journals(tmp_path) if journal.alive] == [here.run]


def test_a_full_folder_does_not_stop_the_signs_of_life(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")
    Presence(tmp_path).beat(dict, now=True)
