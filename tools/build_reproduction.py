"""Writes the tables of docs/reproduction.md from committed records: the FFL paper's figures and ours, side by side.

python tools/build_reproduction.py            # write them
python tools/build_reproduction.py --check    # exit 1 if the page is not up to date
"""

from __future__ import annotations

import sys
from pathlib import Path

from marked import with_part, write_or_check
from paper_tables import summary, tables

from fflbench.leaderboard.results import load_results

ROOT = Path(__file__).resolve().parent.parent
PAGE, RUNS = ROOT / "docs" / "reproduction.md", ROOT / "docs" / "runs"


def main() -> int:
    paper = list(load_results(RUNS / "paper").tasks)
    parts = {"summary": summary(paper), "noise": tables(paper, "noise"), "flip": tables(paper, "flip")}
    page = PAGE.read_text(encoding="utf-8")
    for name, part in parts.items():
        page = with_part(page, f"<!-- {name}: written by tools/build_reproduction.py -->", f"<!-- {name}: end -->", part)
    return write_or_check(PAGE, page, "build_reproduction.py")


if __name__ == "__main__":
    sys.exit(main())
