"""Makes the record builder importable, however pytest imports test files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from leaderboard_records import sample_results


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with everything that a page has to show. Read it, do not change it."""
    return sample_results(tmp_path_factory.mktemp("leaderboard") / "results")
