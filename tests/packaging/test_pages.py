"""What tools write is up to date: pages from committed records, faults that are tried, and what plug-ins say of themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = sorted(path.stem for path in (ROOT / "tools").glob("build_*.py") if path.stem != "build_embedded_data")


def test_all_tools_are_here() -> None:
    assert len(TOOLS) >= 8


@pytest.mark.parametrize("tool", TOOLS)
def test_what_a_tool_writes_is_up_to_date(tool: str) -> None:
    done = subprocess.run(
        [sys.executable, f"tools/{tool}.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
