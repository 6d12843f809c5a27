"""docs/ffl-privacy.md is what its tool writes from the committed records, and those are of the suite that it names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fflbench.leaderboard.results import load_results
from fflbench.suite import load_suite

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "tools/build_privacy.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_records_are_of_the_whole_suite() -> None:
    wanted = {spec.name for spec in load_suite("ffl-privacy").cells()}
    results = load_results(ROOT / "docs" / "runs" / "ffl-privacy")
    assert {record.specification.name for task in results.tasks for record in task.records()} == wanted
