"""docs/reliability.md says what the committed tally says, and nothing was lost."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_nothing_was_lost() -> None:
    entries = [json.loads(line) for line in (ROOT / "docs/runs/reliability.jsonl").read_text().splitlines()]
    assert sum(entry["tried"] for entry in entries) > 60
    assert all((entry["lost"], entry["twice"]) == (0, 0) for entry in entries)
