"""Writes the tables of docs/protocol.md: every fault of tests/defenses/{protocol,aggregation}_faults.py and what came of it,
and what protocols cost, from docs/runs/protocol-cost.json.

python tools/build_protocol.py            # try the faults and write the tables
python tools/build_protocol.py --check    # exit 1 if they are not up to date
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cost_table import cost_table
from marked import with_part, write_or_check

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "protocol.md"


def main() -> int:
    page = PAGE.read_text(encoding="utf-8")
    for name, part in (("faults", exchange_faults()), ("aggregation faults", aggregation_faults()), ("cost", cost_table())):
        page = with_part(page, f"<!-- {name}: written by tools/build_protocol.py -->", f"<!-- {name}: end -->", part)
    return write_or_check(PAGE, page, Path(__file__).name)


def scenarios(module: str) -> Any:
    sys.path.insert(0, str(ROOT))
    return importlib.import_module(f"tests.defenses.{module}").SCENARIOS


def exchange_faults() -> str:
    rows = ["| what goes wrong with peer 1 of five | what is noticed first | who pays | uploads that arrive | pairs |",
            "|---|---|---|---|---|"]  # fmt: skip
    for scenario in scenarios("protocol_faults"):
        _, done = scenario.run()
        pairs = ", ".join(f"{k}-{j}" for k, j in done.pairs)
        rows.append(f"| {scenario.name} | {_noticed(done)} | {_pays(done)} | {_names(sorted(done.rows))} | {pairs} |")
    return "\n".join(rows)


def aggregation_faults() -> str:
    rows = ["| what goes wrong with peer 1 of seven | what is noticed first | who pays | whose updates are in the sum |",
            "|---|---|---|---|"]  # fmt: skip
    for scenario in scenarios("aggregation_faults"):
        _, done = scenario.run()
        counted = _names(done.peers) or f"none: {done.faults[-1].what.removeprefix('no sum: ')}"
        rows.append(f"| {scenario.name} | {_noticed(done)} | {_pays(done)} | {counted} |")
    return "\n".join(rows)


def _noticed(done: Any) -> str:
    return f"peer {done.faults[0].peer}: {done.faults[0].what}" if done.faults else "nothing: the first counts"


def _pays(done: Any) -> str:
    return ", ".join(f"peer {peer}" for peer in done.culprits) or "nobody"


def _names(peers: Iterable[int]) -> str:
    return ", ".join(map(str, peers))


if __name__ == "__main__":
    sys.exit(main())
