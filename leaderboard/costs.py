"""What a defense costs: time on top of training, and bytes."""

from __future__ import annotations

from fflbench.leaderboard.measures import Measure
from fflbench.records import Record

SECONDS = Measure(name="seconds-per-round", label="overhead", unit="s/round", better="lower", low=0)
MEGABYTES = Measure(name="megabytes-per-upload", label="sent per peer", unit="MB/round", better="lower", low=0)

PHASES = ("sharing", "aggregation")


def seconds_per_round(record: Record) -> float | None:
    """Seconds that stages and server worked per round; None where a record does not say how many rounds there were."""
    rounds = rounds_of(record)
    spent = [record.seconds[phase] for phase in PHASES if phase in record.seconds]
    return sum(spent) / rounds if spent and rounds else None


def megabytes_per_upload(record: Record) -> float | None:
    """Megabytes (10^6) that a peer sent per round it took part in."""
    uploads = _positive(record.notes.get("uploads"))
    return sum(record.sent.values()) / uploads / 1e6 if record.sent and uploads else None


def rounds_of(record: Record) -> int:
    """How many rounds really ran; 0 where the record does not say."""
    noted = _positive(record.notes.get("rounds"))
    return noted or max((len(curve) for curve in record.curves.values()), default=0)


def _positive(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
