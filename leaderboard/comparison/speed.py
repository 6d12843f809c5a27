"""Whether benchmarks got slower, from two files of pytest-benchmark.

Slower is a benchmark whose median grew by more than the ratio, and whose quartiles left those of before: three quarters of
its rounds now take longer than three quarters of them took. An interval for the median would be much narrower, and wrong:
rounds of one run share the state of the machine, so two runs of the same code differ by more than their rounds' errors say.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import Field

from fflbench.errors import UserError
from fflbench.leaderboard.comparison.verdicts import Pace, Speed
from fflbench.leaderboard.wording import plain

SLOWER = 1.2
LARGEST_FILE = 64 * 2**20
Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


class _Stats(pydantic.BaseModel):
    median: Seconds
    q1: Seconds
    q3: Seconds


class _Benchmark(pydantic.BaseModel):
    fullname: Annotated[str, Field(min_length=1)]
    stats: _Stats


class _File(pydantic.BaseModel):
    benchmarks: list[_Benchmark]
    machine_info: dict[str, Any] = {}


def compare_speed(before: Path, after: Path, slower: float = SLOWER) -> tuple[list[Speed], list[str]]:
    """Every benchmark of either file, and remarks. Raises `UserError` when a file is not one of pytest-benchmark."""
    if not (math.isfinite(slower) and slower > 1):
        raise UserError(f"--slower: found {slower:g}, needs a ratio above 1, such as 1.2")
    files = _read(before, "--benchmarks-before"), _read(after, "--benchmarks-after")
    old, new = ({one.fullname: one.stats for one in file.benchmarks} for file in files)
    speeds = [_speed(name, old.get(name), new.get(name), slower) for name in {**old, **new}]
    machines = [plain(str(file.machine_info.get("node", "")), 60) for file in files]
    remarks = [f"benchmarks of two machines are compared: {' and '.join(machines)}"] if len(set(machines)) > 1 else []
    return speeds, remarks


def _speed(name: str, before: _Stats | None, after: _Stats | None, slower: float) -> Speed:
    label = plain(name, 200)
    if before is None or after is None:
        pace: Pace = "new" if before is None else "missing"
        values = [stats.median if stats else None for stats in (before, after)]
        return Speed(name=label, before=values[0], after=values[1], ratio=None, pace=pace)
    ratio = after.median / before.median if before.median else (1.0 if not after.median else float("inf"))
    pace = "same"
    if ratio > slower and after.q1 > before.q3:
        pace = "slower"
    elif ratio < 1 / slower and after.q3 < before.q1:
        pace = "faster"
    shown = ratio if math.isfinite(ratio) else None
    return Speed(name=label, before=before.median, after=after.median, ratio=shown, pace=pace)


def _read(path: Path, option: str) -> _File:
    where = f"{option}: {plain(str(path), 200)}"
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise UserError(f"{where}: is larger than 64 MiB, needs a file of pytest-benchmark")
        file = _File.model_validate(json.loads(path.read_bytes()))
    except OSError as error:
        raise UserError(f"{where}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: {_what(error)}; needs the file of pytest --benchmark-json") from None
    if not file.benchmarks:
        raise UserError(f"{where}: holds no benchmark; needs the file of pytest --benchmark-json")
    names = [one.fullname for one in file.benchmarks]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"{where}: has the benchmark {plain(twice)!r} twice, needs each once")
    return file


def _what(error: Exception) -> str:
    if isinstance(error, pydantic.ValidationError):
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        return plain(f"{place}: {first['msg']}", 200)
    return "is not JSON"
