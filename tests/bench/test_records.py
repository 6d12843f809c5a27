"""Records survive being written, damaged, renamed and read back."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fflbench.errors import UserError
from fflbench.records import (
    AttackSpec,
    DefenseSpec,
    Part,
    Provenance,
    Record,
    RecordStore,
    Specification,
    TaskSpec,
    digest_of,
    read_record,
    write_atomically,
)


def record(seed: int = 0, **content: object) -> Record:
    specification = Specification(
        track="poisoning",
        task=TaskSpec(label="t", dataset={"name": "d"}, model={"name": "m"}, settings={}),
        attack=AttackSpec(label="none", name="none"),
        defense=DefenseSpec(label="fedavg", parts=(Part(kind="aggregator", name="mean"),)),
        seed=seed,
    )
    return Record(digest=digest_of(["cell", seed]), specification=specification, status="ok",
                  provenance=Provenance(suite="s", version="0"), **content)  # fmt: skip


def test_round_trip(tmp_path: Path) -> None:
    store, wanted = (
        RecordStore(tmp_path),
        record(metrics={"accuracy": 81.25, "psnr": None}, curves={"accuracy": [1.0, None]}),
    )
    store.write(wanted)
    assert store.read(wanted.digest) == wanted
    assert store.read_all() == ([wanted], [])
    assert store.read(digest_of("other")) is None


def test_numbers_that_are_not_finite_never_enter_a_record() -> None:
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="finite"):
            record(metrics={"accuracy": bad})


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"schema_version": 9}', "\x00\x01", '{"a": NaN}', "null"])
def test_a_damaged_record_is_skipped_with_one_line_and_the_others_are_read(tmp_path: Path, damage: str) -> None:
    store, good = RecordStore(tmp_path), record()
    store.write(good)
    bad = tmp_path / "records" / f"{'a' * 64}.json"
    bad.write_text(damage)
    records, problems = store.read_all()
    assert records == [good]
    assert len(problems) == 1
    assert str(bad) in problems[0]
    assert "\n" not in problems[0]
    assert "skipped" in problems[0]
    with pytest.raises(UserError, match="a" * 64 + ".json: not a usable record"):
        store.read("a" * 64)


def test_a_truncated_and_a_renamed_record_are_recognised(tmp_path: Path) -> None:
    store, first, second = RecordStore(tmp_path), record(0), record(1)
    path = store.write(first)
    path.write_bytes(path.read_bytes()[:-40])
    path.with_name(f"{'b' * 64}.json").write_text(second.model_dump_json())
    records, problems = store.read_all()
    assert records == []
    assert len(problems) == 2
    assert any("its name says otherwise" in line for line in problems)


def test_foreign_fields_and_paths_are_refused(tmp_path: Path) -> None:
    for change in ({"extra": 1}, {"artefacts": [{"file": "../../etc/passwd", "digest": "0" * 64, "role": "original"}]}):
        data = json.loads(record().model_dump_json()) | change
        path = tmp_path / "r.json"
        path.write_text(json.dumps(data))
        with pytest.raises(UserError, match="not a usable record"):
            read_record(path)


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_comparable_leaves_out_when_where_and_how_fast() -> None:
    kept = record(seconds={"training": 3.0}).comparable()
    assert "seconds" not in kept
    assert "provenance" not in kept
    assert kept["status"] == "ok"
