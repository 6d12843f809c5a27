"""The published schemas are those of the code, and an independent validator accepts by them what fflbench writes."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from fflbench.leaderboard import write_leaderboard
from fflbench.leaderboard.packed import read_packed

ROOT = Path(__file__).parents[2]
RUN = ROOT / "docs" / "runs" / "ffl-adaptive"


def schema(name: str) -> jsonschema.Draft202012Validator:
    content = json.loads((ROOT / "docs" / "schemas" / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(content)
    return jsonschema.Draft202012Validator(content)


def test_real_records_fit() -> None:
    records, problems = read_packed(RUN / "records.jsonl.xz")
    assert not problems
    validator = schema("record")
    for record in records[::20]:
        validator.validate(record.model_dump(mode="json"))
    with pytest.raises(jsonschema.ValidationError, match="'fine' is not one of"):
        validator.validate(records[0].model_dump(mode="json") | {"status": "fine"})


def test_a_real_leaderboard_fits(tmp_path: Path) -> None:
    data = json.loads(write_leaderboard(RUN, tmp_path).json.read_text())
    schema("leaderboard").validate(data)
    data["tasks"][0]["rows"][0]["totals"]["clean-accuracy"]["mean"] = "high"
    with pytest.raises(jsonschema.ValidationError):
        schema("leaderboard").validate(data)
