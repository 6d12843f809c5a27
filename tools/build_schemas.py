"""Writes the JSON Schemas of what fflbench writes: docs/schemas/leaderboard.json and docs/schemas/record.json.

python tools/build_schemas.py            # write them
python tools/build_schemas.py --check    # exit 1 if they are not up to date
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pydantic

from fflbench.leaderboard import Board
from fflbench.records import Record

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "schemas"
SCHEMAS: dict[str, type[pydantic.BaseModel]] = {"leaderboard": Board, "record": Record}


def main() -> int:
    stale = False
    for name, model in SCHEMAS.items():
        path, wanted = FOLDER / f"{name}.json", text(model)
        if "--check" not in sys.argv:
            FOLDER.mkdir(exist_ok=True)
            path.write_text(wanted, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != wanted:
            print(f"{path} is not up to date: run python tools/build_schemas.py")
            stale = True
    return int(stale)


def text(model: type[pydantic.BaseModel]) -> str:
    """The schema of a model, as draft 2020-12."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema(mode="serialization")}
    return json.dumps(schema, indent=1) + "\n"


if __name__ == "__main__":
    sys.exit(main())
