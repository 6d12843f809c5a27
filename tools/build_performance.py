"""Writes docs/performance.md from what `make bench` measured.

make bench                                                  # measure; prints the table
python tools/build_performance.py --keep build/benchmarks.json   # take that into docs/runs/benchmarks.json and the page
python tools/build_performance.py [--check]                 # write the page (or check it) from what was kept
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from marked import with_part, write_or_check

ROOT = Path(__file__).resolve().parent.parent
PAGE, KEPT = ROOT / "docs" / "performance.md", ROOT / "docs" / "runs" / "benchmarks.json"
OURS = ("native", "ours")
HEADS = ("work", "ours", "without native code", "another way", "", "ours is faster", "without native code")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", type=Path, help="print the table of a file of pytest-benchmark")
    parser.add_argument("--keep", type=Path, help="take such a file as what the page shows")
    parser.add_argument("--check", action="store_true", help="exit 1 if the page is not up to date")
    given = parser.parse_args()
    if given.show:
        print(table(condensed(json.loads(given.show.read_text(encoding="utf-8")))))
        return 0
    if given.keep:
        kept = condensed(json.loads(given.keep.read_text(encoding="utf-8")))
        KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    page = PAGE.read_text(encoding="utf-8")
    for name, part in (("table", table(kept)), ("machine", machine(kept))):
        page = with_part(page, f"<!-- {name}: written by tools/build_performance.py -->", f"<!-- {name}: end -->", part)
    return write_or_check(PAGE, page, Path(__file__).name)


def condensed(measured: dict[str, Any]) -> dict[str, Any]:
    """Of a file of pytest-benchmark what the table needs: the median seconds of every way to do some work."""
    works: dict[str, dict[str, float]] = defaultdict(dict)
    for one in measured["benchmarks"]:
        if "way" in one["extra_info"]:
            works[one["group"]][one["extra_info"]["way"]] = one["stats"]["median"]
    return {
        "commit": measured["commit_info"]["id"],
        "processor": measured["machine_info"]["cpu"]["brand_raw"],
        "works": works,
    }


def table(kept: dict[str, Any]) -> str:
    rows = [f"| {' | '.join(HEADS)} |", "|---" * len(HEADS) + "|"]
    for work, ways in sorted(kept["works"].items()):
        ours = next((ways[name] for name in OURS if name in ways), None)
        plain = ways.get("torch")
        for way, seconds in ways.items():
            if way in (*OURS, "torch"):
                continue
            shown = [_time(ours), _time(plain), way, _time(seconds), _ratio(seconds, ours), _ratio(seconds, plain)]
            rows.append(f"| {work} | {' | '.join(shown)} |")
    return "\n".join(rows)


def machine(kept: dict[str, Any]) -> str:
    return f"Measured at commit {kept['commit'][:8]} on one thread of {kept['processor']}."


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    unit, value = ("s", seconds) if seconds >= 1 else ("ms", 1000 * seconds)
    return f"{float(f'{value:.2g}'):,g} {unit}"


def _ratio(seconds: float, ours: float | None) -> str:
    return "" if ours is None else f"{float(f'{seconds / ours:.2g}'):,g}x"


if __name__ == "__main__":
    sys.exit(main())
