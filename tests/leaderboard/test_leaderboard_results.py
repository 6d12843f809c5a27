"""Reading results: superseded, damaged, foreign and implausible records; labels that stand for two things."""

from __future__ import annotations

from pathlib import Path

import pytest
from leaderboard_records import record, write

from fflbench.errors import UserError
from fflbench.leaderboard.results import load_results
from fflbench.leaderboard.tracks import task_board


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder") as caught:
        load_results(tmp_path / "nowhere")
    assert "\n" not in str(caught.value)


def test_folder_without_records(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="without records/"):
        load_results(tmp_path)


def test_empty_records(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is empty"):
        load_results(write(tmp_path))


def test_only_damaged_records(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "records" / f"{'a' * 64}.json").write_bytes(b"\x00\xff not json")
    with pytest.raises(UserError, match="none of its 1 file is usable") as caught:
        load_results(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_damaged_record_does_not_stop_the_others(tmp_path: Path) -> None:
    write(tmp_path, record(accuracy=80.0))
    (tmp_path / "records" / f"{'a' * 64}.json").write_text('{"metrics": {"accuracy": NaN}}')
    loaded = load_results(tmp_path)
    assert len(loaded.records()) == 1
    assert len(loaded.problems) == 1


def test_nan_is_not_a_number_that_a_record_can_hold(tmp_path: Path) -> None:
    good = record(accuracy=80.0)
    path = write(tmp_path, good) / "records" / f"{good.digest}.json"
    path.write_text(path.read_text().replace("80.0", "NaN"))
    with pytest.raises(UserError, match="none of its"):
        load_results(tmp_path)


def test_the_newest_of_the_same_specification_counts(tmp_path: Path) -> None:
    old = record(accuracy=99.0, version="0.1", finished="2026-01-02T00:00:00+02:00")
    new = record(accuracy=70.0, version="0.2", finished="2026-01-02T00:00:00+00:00")
    undated = record(accuracy=98.0, version="0.0", finished="")
    loaded = load_results(write(tmp_path, old, new, undated))
    assert [one.metrics["accuracy"] for one in loaded.records()] == [70.0]
    assert "2 records superseded by newer ones of the same specification" in loaded.problems


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"accuracy": 5000.0}, "metric accuracy is 5000, outside its range"),
        ({"accuracy": 50.0, "metrics": {"unheard-of": 1e300}}, "unheard-of"),
        ({"accuracy": 50.0, "curves": {"accuracy": [50.0, -3.0]}}, "curve accuracy leaves its range"),
        ({"accuracy": 50.0, "seconds": {"sharing": -1.0}}, "negative"),
        ({"accuracy": 50.0, "references": {"grey": {"psnr": 1e200}}}, "beyond"),
    ],
)
def test_what_no_honest_run_writes_is_skipped(tmp_path: Path, fields: dict[str, object], said: str) -> None:
    write(tmp_path, record(accuracy=60.0, defense="honest"), record(defense="liar", **fields))  # type: ignore[arg-type]
    loaded = load_results(tmp_path)
    assert {one.specification.defense.label for one in loaded.records()} == {"honest"}
    assert any(said in line for line in loaded.problems)


def test_a_label_for_two_tasks_is_kept_apart(tmp_path: Path) -> None:
    """Somebody edited the suite between two runs into the same folder."""
    write(tmp_path, record(accuracy=60.0), record(accuracy=80.0, settings={"rounds": 9}))
    loaded = load_results(tmp_path)
    assert len(loaded.tasks) == 2
    assert all(" #" in task.label for task in loaded.tasks)
    assert any("stands for 2 different specifications" in line for line in loaded.problems)


def test_tasks_attacks_defenses_and_seeds(tmp_path: Path) -> None:
    write(tmp_path, record("b"), record("none", "krum", 3), record("a"))
    (task,) = load_results(tmp_path).tasks
    assert task.attacks == ("none", "a", "b")
    assert task.threats == ["a", "b"]
    assert task.defenses == ("fedavg", "krum")
    assert task.seeds == (0, 3)


def test_unknown_metrics_are_shown_without_a_direction(tmp_path: Path) -> None:
    write(tmp_path, record(accuracy=50.0, metrics={"sparkle": 3.0}))
    board = task_board(load_results(tmp_path).tasks[0], "fedavg")
    assert board.measures["sparkle"].better is None
    assert board.rows[0].attacks["none"]["sparkle"].mean == 3


def test_a_model_that_fell_apart_may_have_lost_without_bound(tmp_path: Path) -> None:
    curves = {"test-loss": [2.0, 3e18], "accuracy": [10.0, 10.0]}
    loaded = load_results(write(tmp_path, record(metrics={"test-loss": 1e37, "accuracy": 10.0}, curves=curves)))
    (found,) = loaded.records()
    assert found.metrics == {"test-loss": 1e15, "accuracy": 10.0}
    assert found.curves["test-loss"] == [2.0, 1e15]
    assert loaded.problems == ()
