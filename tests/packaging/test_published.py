"""The published board is in order, and its page is of its records."""

from __future__ import annotations

import re
from pathlib import Path

from fflbench.leaderboard.submissions.folder import open_board

BOARD = Path(__file__).resolve().parents[2] / "leaderboard" / "published"


def test_the_board_is_in_order_and_its_page_is_of_its_records() -> None:
    shelf = open_board(BOARD)
    records = [record for submission in shelf.submissions for record in submission.records]
    assert {record.specification.track for record in records} == {"poisoning", "reconstruction"}
    page = (BOARD / "site" / "index.html").read_text(encoding="utf-8")
    assert f"<li>{len(records)} records</li>" in page
    tables = (BOARD / "site" / "leaderboard.md").read_text(encoding="utf-8")
    labels = {record.specification.defense.label for record in records}
    assert labels <= set(re.findall(r"^\| ([^|]+) \|", tables, re.MULTILINE))
