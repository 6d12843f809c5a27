"""docs/evidence.md says what the committed records say."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_exact_observers_exceed_sixty_decibels_on_their_own_ground() -> None:
    text = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
    table = text.split("## Observers that solve for the input")[1].split("##")[0]
    lines = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith("| observer")]
    assert len(lines) == 3
    assert all(line.endswith("| yes |") for line in lines)
