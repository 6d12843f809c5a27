"""Packed records: the same tables from one small file; damaged and hostile files stop at what they hold."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest
from leaderboard_records import record, write

from fflbench.errors import UserError
from fflbench.leaderboard import packed
from fflbench.leaderboard.build import build_board
from fflbench.leaderboard.packed import NAME, pack, read_packed
from fflbench.leaderboard.results import load_results


def test_the_board_of_a_packed_folder_is_that_of_the_folder(sample: Path, tmp_path: Path) -> None:
    file, count, problems = pack(sample, tmp_path)
    assert file == tmp_path / NAME
    whole, small = load_results(sample), load_results(tmp_path)
    assert count == len(small.records()) + sum("superseded" in line for line in small.problems)
    assert build_board(small).tasks == build_board(whole).tasks
    assert build_board(small).joint == build_board(whole).joint
    assert all(not one.artefacts for one in small.records()), "pictures stay behind"
    assert problems == [line for line in whole.problems if "skipped" in line and "range" not in line]


def test_the_same_records_give_the_same_file(sample: Path, tmp_path: Path) -> None:
    first, second = (pack(sample, tmp_path / name)[0].read_bytes() for name in ("a", "b"))
    assert first == second
    assert len(first) < sum(path.stat().st_size for path in (sample / "records").glob("*.json")) / 10


def test_nothing_to_pack_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="found no usable record") as caught:
        pack(tmp_path, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_file_that_breaks_off_keeps_what_came_before(tmp_path: Path) -> None:
    results = write(tmp_path / "r", *(record(seed=seed, accuracy=80.0 + seed) for seed in range(200)))
    file = pack(results, tmp_path)[0]
    file.write_bytes(file.read_bytes()[:-200])
    records, problems = read_packed(file)
    assert len(problems) == 1
    assert "damaged" in problems[0]
    assert len(records) < 200


def test_what_is_no_archive_is_one_line(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"not compressed at all")
    with pytest.raises(UserError, match="damaged from the start") as caught:
        load_results(tmp_path)
    assert "\n" not in str(caught.value)


def test_lines_that_are_no_records_are_named_and_the_others_kept(tmp_path: Path) -> None:
    good = record(accuracy=80.0).model_dump_json()
    lines = [good, '{"metrics": {"accuracy": NaN}}', "\x00", '{"digest": "../../etc/passwd"}']
    (tmp_path / NAME).write_bytes(lzma.compress("\n".join(lines).encode()))
    records, problems = read_packed(tmp_path / NAME)
    assert [one.metrics["accuracy"] for one in records] == [80.0]
    assert [f"line {n}" in problem for n, problem in zip((2, 3, 4), problems, strict=True)] == [True] * 3


def test_a_bomb_stops_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "LARGEST_UNPACKED", 3 * 2**20)
    (tmp_path / NAME).write_bytes(lzma.compress(b" " * (20 * 2**20)))
    _, problems = read_packed(tmp_path / NAME)
    assert "unpacks to more than 3145728 bytes" in problems[-1]


def test_endless_rubbish_is_read_no_further(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(lzma.compress(b"\n" * 1_000_000))
    records, problems = read_packed(tmp_path / NAME)
    assert records == []
    assert len(problems) == packed.MOST_PROBLEMS + 2
    assert "more than 100 lines are no records" in problems[-1]
