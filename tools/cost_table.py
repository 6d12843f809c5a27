"""The table of what protocols cost, from docs/runs/protocol-cost.json."""

from __future__ import annotations

import json
from pathlib import Path

MEASURED = Path(__file__).resolve().parent.parent / "docs" / "runs" / "protocol-cost.json"
HEADS = ("peers", "parameters", "a peer sends: FedAvg", "FFL", "secure aggregation", "a peer computes: FFL",
         "secure aggregation", "the server: a sum", "secure aggregation", "with a tenth dropped out")  # fmt: skip


def cost_table() -> str:
    rows = [f"| {' | '.join(HEADS)} |", "|---" * len(HEADS) + "|"]
    for row in json.loads(MEASURED.read_text(encoding="utf-8")):
        sent = [_megabytes(row[f"{name} bytes"]) for name in ("fedavg", "ffl", "secure aggregation")]
        names = ("ffl peer", "secure aggregation peer", "fedavg server", "secure aggregation server",
                 "secure aggregation server, a tenth dropped")  # fmt: skip
        seconds = [_seconds(row[name]) for name in names]
        size = f"{row['peers']:,} | {row['parameters']:,}"
        rows.append(f"| {size} | {' | '.join([*sent, *seconds])} |")
    return "\n".join(rows)


def _megabytes(count: float) -> str:
    return f"{count / 1e6:.3g} MB"


def _seconds(value: float) -> str:
    """To two digits, which is what such a measurement is good for."""
    unit, scaled = ("s", value) if value >= 1 else ("ms", 1000 * value)
    return f"{float(f'{scaled:.2g}'):,g} {unit}"
