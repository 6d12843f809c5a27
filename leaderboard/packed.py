"""All records of a results folder in one small file: a line of JSON each, compressed. Pictures stay behind."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from pathlib import Path

import pydantic

from fflbench.errors import UserError
from fflbench.leaderboard.wording import count, plain
from fflbench.records import Record, RecordStore, write_atomically

NAME = "records.jsonl.xz"
LARGEST_UNPACKED = 2**30
"""Bytes: a few compressed ones can unpack to any number, so reading stops here."""

MOST_PROBLEMS = 100

_CHUNK = 1 << 20


def pack(results: Path, out: Path) -> tuple[Path, int, list[str]]:
    """Write the readable records of a results folder as `out/records.jsonl.xz`. Returns the file, how many records are in
    it, and a line for each file that could not be read. The same records give the same file."""
    records, problems = RecordStore(results).read_all()
    if not records:
        raise UserError(f"pack: {results}: found no usable record, needs a folder that `fflbench run` wrote")
    lines = (json.dumps(record.model_dump(mode="json") | {"artefacts": []}, sort_keys=True, separators=(",", ":"),
                        allow_nan=False) for record in records)  # fmt: skip
    file, text = out / NAME, "".join(f"{line}\n" for line in lines)
    try:
        write_atomically(file, lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
    except OSError as error:
        raise UserError(f"pack: {file}: cannot be written ({error.strerror})") from None
    return file, len(records), problems


def read_packed(file: Path) -> tuple[list[Record], list[str]]:
    """All usable records of a packed file, and a line for each one that is not, and for a file that breaks off. A file with
    too many lines that are no records is read no further."""
    records: list[Record] = []
    problems: list[str] = []
    try:
        for number, line in enumerate(_lines(file), 1):
            try:
                records.append(Record.model_validate_json(line))
            except pydantic.ValidationError as error:
                first = error.errors()[0]
                place = ".".join(str(part) for part in first["loc"]) or "the line"
                problems.append(plain(f"{file}, line {number}: not a usable record ({place}: {first['msg']}); skipped", 400))
            if len(problems) > MOST_PROBLEMS:
                raise OSError(f"more than {MOST_PROBLEMS} lines are no records")
    except (lzma.LZMAError, EOFError, OSError) as error:
        after = f"after {count(len(records), 'record')}" if records else "from the start"
        problems.append(plain(f"{file}: damaged {after} ({error}); the rest is skipped", 400))
    return records, problems


def _lines(file: Path) -> Iterator[bytes]:
    """The lines of the unpacked file, never more in memory than one line and a chunk."""
    rest, unpacked = b"", 0
    with lzma.open(file) as stream:
        while chunk := stream.read(_CHUNK):
            unpacked += len(chunk)
            if unpacked > LARGEST_UNPACKED:
                raise OSError(f"unpacks to more than {LARGEST_UNPACKED} bytes")
            *whole, rest = (rest + chunk).split(b"\n")
            yield from whole
    if rest:
        yield rest
