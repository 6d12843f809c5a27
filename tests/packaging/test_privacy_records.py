"""The committed records of ffl-privacy are of the suite."""

from __future__ import annotations

from pathlib import Path

from fflbench.leaderboard.results import load_results
from fflbench.suite import load_suite

ROOT = Path(__file__).resolve().parents[2]


def test_the_records_are_of_the_whole_suite() -> None:
    wanted = {spec.name for spec in load_suite("ffl-privacy").cells()}
    results = load_results(ROOT / "docs" / "runs" / "ffl-privacy")
    assert {record.specification.name for task in results.tasks for record in task.records()} == wanted
