"""Writes the table of docs/reliability.md from a tally of faults.

rm -f docs/runs/reliability.jsonl
FFLBENCH_FAULTS=docs/runs/reliability.jsonl python -m pytest tests/faults --kills 40
python tools/build_reliability.py            # write the table
python tools/build_reliability.py --check    # exit 1 if it is not up to date
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from marked import with_part, write_or_check

ROOT = Path(__file__).resolve().parent.parent
TALLY = ROOT / "docs" / "runs" / "reliability.jsonl"
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- table by tools/build_reliability.py -->", "<!-- end of table -->"


def main() -> int:
    wanted = with_part(PAGE.read_text(encoding="utf-8"), BEGIN, END, table())
    return write_or_check(PAGE, wanted, Path(__file__).name)


def table() -> str:
    """One line a fault, in the order of the tally, and a sum."""
    tests: dict[str, str] = {}
    sums: dict[str, Counter[str]] = {}
    for line in TALLY.read_text().splitlines():
        entry = json.loads(line)
        tests.setdefault(entry["fault"], entry["test"])
        sums.setdefault(entry["fault"], Counter()).update({name: entry[name] for name in ("tried", "lost", "twice")})
    rows = ["| fault | tried | records lost | cells run twice | test |", "|---|---|---|---|---|"]
    total: Counter[str] = Counter()
    for fault, counts in sums.items():
        total.update(counts)
        test = tests[fault].split("::")[1]
        rows.append(f"| {fault} | {counts['tried']} | {counts['lost']} | {counts['twice']} | `{test}` |")
    rows.append(f"| **all** | **{total['tried']}** | **{total['lost']}** | **{total['twice']}** | |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
