"""Writes the JSON Schemas of what fflbench writes: docs/schemas/leaderboard.json and docs/schemas/record.json.

python tools/build_schemas.py            # write them
python tools/build_schemas.py --check    # exit 1 if they are not up to date
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pydantic
from marked import write_or_check

from fflbench.leaderboard import Board
from fflbench.records import Record

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "schemas"
SCHEMAS: dict[str, type[pydantic.BaseModel]] = {"leaderboard": Board, "record": Record}


def main() -> int:
    return max(write_or_check(FOLDER / f"{name}.json", text(model), Path(__file__).name) for name, model in SCHEMAS.items())


def text(model: type[pydantic.BaseModel]) -> str:
    """The schema of a model, as draft 2020-12."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema(mode="serialization")}
    return json.dumps(schema, indent=1) + "\n"


if __name__ == "__main__":
    sys.exit(main())
