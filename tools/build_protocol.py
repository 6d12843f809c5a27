"""Writes the table of docs/protocol.md: every fault of tests/defenses/protocol_faults.py, and what came of it.

python tools/build_protocol.py            # try them and write the table
python tools/build_protocol.py --check    # exit 1 if it is not up to date
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from marked import with_part, write_or_check

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "protocol.md"
BEGIN, END = "<!-- faults: written by tools/build_protocol.py -->", "<!-- faults: end -->"


def main() -> int:
    return write_or_check(PAGE, with_part(PAGE.read_text(encoding="utf-8"), BEGIN, END, table()), Path(__file__).name)


def table() -> str:
    rows = ["| what goes wrong with peer 1 of five | what is noticed first | who pays | uploads that arrive | pairs |",
            "|---|---|---|---|---|"]  # fmt: skip
    sys.path.insert(0, str(ROOT))
    scenarios = importlib.import_module("tests.defenses.protocol_faults").SCENARIOS
    return "\n".join([*rows, *map(line, scenarios)])


def line(scenario: Any) -> str:
    _, done = scenario.run()
    noticed = f"peer {done.faults[0].peer}: {done.faults[0].what}" if done.faults else "nothing: the first counts"
    pays = ", ".join(f"peer {peer}" for peer in done.culprits) or "nobody"
    pairs = ", ".join(f"{k}-{j}" for k, j in done.pairs)
    return f"| {scenario.name} | {noticed} | {pays} | {', '.join(map(str, sorted(done.rows)))} | {pairs} |"


if __name__ == "__main__":
    sys.exit(main())
