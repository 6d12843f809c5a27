"""The fixture `fflbench` for the tests of a defense author. pytest loads this file at every start, so it imports nothing
heavy: torch comes with the first score.

    def test_my_defense(fflbench):
        assert fflbench.score("my_defense.py:MyDefense", task="fashion-mnist", attack="label-flip", seeds=(0, 1)) > 70
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fflbench.workbench import Workbench

DEFAULT = "results/pytest"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where results are kept: on the command line or in the ini file."""
    group = parser.getgroup("fflbench", "fflbench: scores of federated-learning defenses")
    group.addoption("--fflbench-results", metavar="FOLDER", help=f"Results folder of the fixture. [ini, or {DEFAULT}]")
    parser.addini(
        "fflbench_results", f"Results folder of the fixture fflbench, relative to the root ({DEFAULT})", default=DEFAULT
    )


@pytest.fixture(scope="session")
def fflbench(pytestconfig: pytest.Config) -> Workbench:
    """Scores and comparisons; what has been computed once is found again in the results folder. Under pytest-xdist each
    worker computes one cell at a time, and they share the folder."""
    from fflbench.workbench import Workbench

    folder = pytestconfig.getoption("--fflbench-results") or pytestconfig.getini("fflbench_results")
    jobs = 1 if "PYTEST_XDIST_WORKER" in os.environ else os.cpu_count() or 1
    return Workbench(pytestconfig.rootpath / folder, pytestconfig.rootpath, jobs)
