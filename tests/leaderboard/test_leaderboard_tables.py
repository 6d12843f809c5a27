"""Entries and rows: gaps stay visible and never help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from leaderboard_records import leak, record, write

from fflbench.leaderboard.board import Board, Row, TaskBoard
from fflbench.leaderboard.build import build_board
from fflbench.leaderboard.results import load_results
from fflbench.leaderboard.tracks import task_board
from fflbench.records import Record


def board_of(folder: Path, *records: Record, reference: str = "fedavg") -> Board:
    return build_board(load_results(write(folder, *records)), reference)


def row(board: Board | TaskBoard, defense: str) -> Row:
    task = board.tasks[0] if isinstance(board, Board) else board
    return next(one for one in task.rows if one.defense == defense)


def place(found: Row, threat: str = "own data") -> int | None:
    return found.ranks[threat].position if threat in found.ranks else None


def cells(defense: str, **accuracy: list[float]) -> list[Record]:
    """One record for each attack and seed; the first argument of each list is seed 0."""
    return [record(attack, defense, seed, value) for attack, values in accuracy.items() for seed, value in enumerate(values)]


def test_worst_case_is_taken_seed_by_seed(tmp_path: Path) -> None:
    found = row(board_of(tmp_path, *cells("fedavg", none=[90, 92], flip=[60, 80], sign=[70, 50])), "fedavg").totals
    assert found["clean-accuracy"].mean == 91
    assert found["worst-accuracy"].values == {0: 60, 1: 50}
    assert found["worst-accuracy"].mean == 55
    assert found["mean-accuracy"].values == {0: 65, 1: 65}


def test_difference_to_the_reference_is_paired(tmp_path: Path) -> None:
    found = board_of(tmp_path, *cells("fedavg", flip=[10, 50, 90]), *cells("ffl", flip=[11, 52, 93]))
    gap = row(found, "ffl").attacks["flip"]["accuracy"].difference
    assert gap is not None
    assert gap.mean == 2
    assert gap.low == pytest.approx(2 - 2.484137712)
    assert row(found, "fedavg").attacks["flip"]["accuracy"].difference is None


def test_an_absent_reference_is_said(tmp_path: Path) -> None:
    found = board_of(tmp_path, *cells("ffl", flip=[10, 20]), reference="nobody")
    assert row(found, "ffl").totals["worst-accuracy"].difference is None
    assert any("no record of the reference defense 'nobody'" in line for line in found.problems)


def test_a_failed_seed_is_said_and_ranks_last(tmp_path: Path) -> None:
    failed = record("flip", "lucky", 2, status="failed", error="MemoryError: 99 GB")
    good = cells("fedavg", flip=[50, 51, 52])
    found = board_of(tmp_path, *good, *cells("lucky", flip=[95, 96]), failed)
    lucky = row(found, "lucky")
    entry = lucky.attacks["flip"]["accuracy"]
    assert (entry.status, entry.seeds, entry.asked) == ("partial", 2, 3)
    assert "2 of 3 seeds" in entry.note
    assert "1 of 3 failed: MemoryError: 99 GB" in entry.note
    assert (place(lucky), lucky.complete) == (2, False)
    assert place(row(found, "fedavg")) == 1


def test_a_missing_attack_leaves_no_worst_case(tmp_path: Path) -> None:
    found = board_of(tmp_path, *cells("fedavg", flip=[50, 51], sign=[20, 21]), *cells("partly", flip=[95, 96]))
    partly = row(found, "partly")
    assert partly.attacks["sign"]["accuracy"].status == "missing"
    assert partly.totals["worst-accuracy"].mean is None
    assert "sign: missing" in partly.totals["worst-accuracy"].note
    assert place(partly) == 2


def test_a_cell_that_always_fails(tmp_path: Path) -> None:
    failed = [record("flip", "weak", seed, status="failed", error="boom") for seed in (0, 1)]
    found = board_of(tmp_path, *cells("fedavg", flip=[50, 51]), *failed)
    entry = row(found, "weak").attacks["flip"]["accuracy"]
    assert (entry.status, entry.note) == ("failed", "failed: boom")


def test_a_diverged_run_without_metrics_counts_as_zero(tmp_path: Path) -> None:
    lost = record("flip", "fedavg", 1, status="diverged", metrics={"accuracy": None})
    entry = row(board_of(tmp_path, *cells("fedavg", flip=[80]), lost), "fedavg").attacks["flip"]["accuracy"]
    assert (entry.status, entry.mean, entry.seeds) == ("diverged", 40, 2)
    assert entry.note == "1 of 2 diverged"


def test_a_diverged_run_counts_at_what_it_recorded(tmp_path: Path) -> None:
    lost = record("flip", "fedavg", 1, 10.0, status="diverged")
    entry = row(board_of(tmp_path, *cells("fedavg", flip=[80]), lost), "fedavg").attacks["flip"]["accuracy"]
    assert entry.mean == 45


def test_a_diverged_run_does_not_look_safe_from_the_attack(tmp_path: Path) -> None:
    """Its attack success is not 0 but the worst there is, where others have a success rate at all."""
    hit = [record("flip", "other", 0, 50.0, metrics={"attack-success": 30.0})]
    lost = record("flip", "fedavg", 0, status="diverged")
    found = board_of(tmp_path, *hit, lost, *cells("fedavg", sign=[50]), *cells("other", sign=[50]))
    assert row(found, "fedavg").attacks["flip"]["attack-success"].mean == 100
    assert row(found, "fedavg").attacks["sign"]["attack-success"].status == "not applicable"


def test_a_diverged_run_gets_no_detection_score_from_a_defense_without_trust(tmp_path: Path) -> None:
    trusting = record("flip", "ffl", 0, 50.0, metrics={"detection-auc": 0.9})
    found = board_of(tmp_path, trusting, record("flip", "fedavg", 0, status="diverged"))
    assert row(found, "fedavg").attacks["flip"]["detection-auc"].status == "not applicable"


def test_incompatible_attacks_do_not_count(tmp_path: Path) -> None:
    unfit = [record("sign", "secure", seed, status="incompatible", error="sees the sum") for seed in (0, 1)]
    found = board_of(tmp_path, *cells("fedavg", flip=[50, 51], sign=[9, 9]), *cells("secure", flip=[60, 62]), *unfit)
    secure = row(found, "secure")
    assert secure.attacks["sign"]["accuracy"].note == "incompatible: sees the sum"
    assert secure.totals["worst-accuracy"].mean == 61
    assert place(secure) == 1


def test_a_defense_that_fits_nothing_has_no_rank(tmp_path: Path) -> None:
    unfit = [record("flip", "secure", seed, status="incompatible", error="sum") for seed in (0, 1)]
    found = board_of(tmp_path, *cells("fedavg", flip=[50, 51]), *unfit)
    assert place(row(found, "secure")) is None
    assert row(found, "secure").totals["worst-accuracy"].status == "incompatible"
    assert [one.defense for one in found.tasks[0].rows] == ["fedavg", "secure"]


def test_one_seed_has_no_ranks_and_says_so(tmp_path: Path) -> None:
    found = board_of(tmp_path, *cells("fedavg", flip=[50]), *cells("ffl", flip=[60]))
    assert [place(one) for one in found.tasks[0].rows] == [None, None]
    assert any("one seed, so no intervals and no ranks" in line for line in found.problems)


def test_overhead(tmp_path: Path) -> None:
    costs: dict[str, Any] = {
        "seconds": {"training": 99.0, "sharing": 2.0, "aggregation": 4.0},
        "sent": {"up": 8_000_000, "mix": 2_000_000},
    }
    one = record(accuracy=50.0, notes={"uploads": 40, "rounds": 4}, **costs)
    found = row(board_of(tmp_path, one), "fedavg").totals
    assert found["seconds-per-round"].mean == 1.5
    assert found["megabytes-per-upload"].mean == 0.25


def test_overhead_of_a_record_that_does_not_say(tmp_path: Path) -> None:
    found = row(board_of(tmp_path, record(accuracy=50.0, notes={"uploads": "many"}, sent={"up": 5})), "fedavg").totals
    assert found["megabytes-per-upload"].status == "not applicable"
    assert found["seconds-per-round"].status == "not applicable"


def test_reconstruction_worst_case_is_the_servers_best(tmp_path: Path) -> None:
    records = [leak("deep", "fedavg", s, 20.0 + s, 0.5, references={"grey": {"psnr": 11.0}}) for s in (0, 1)]
    records += [leak("analytic", "fedavg", s, 30.0 - 20 * s, 0.9) for s in (0, 1)]
    records += [leak(attack, "ffl", s, 9.0 + s, 0.1) for s in (0, 1) for attack in ("deep", "analytic")]
    found = board_of(tmp_path, *records)
    assert row(found, "fedavg").totals["worst-psnr"].values == {0: 30, 1: 21}
    assert row(found, "fedavg").attacks["deep"]["psnr"].references == {"grey": 11.0}
    assert found.tasks[0].references["deep"]["grey"]["psnr"] == 11
    assert [one.defense for one in found.tasks[0].rows] == ["ffl", "fedavg"]


def both_tracks(defense: str, clean: float, worst: float, psnr: float) -> list[Record]:
    return [
        one
        for seed in (0, 1)
        for one in (
            record("none", defense, seed, clean + seed),
            record("flip", defense, seed, worst + seed),
            leak("deep", defense, seed, psnr + seed),
        )
    ]


def test_pareto_marks_only_what_was_measured_on_both_tracks(tmp_path: Path) -> None:
    found = board_of(
        tmp_path,
        *both_tracks("fedavg", 90, 10, 20),
        *both_tracks("ffl", 89, 80, 9),
        *both_tracks("dominated", 88, 9, 21),
        *cells("one track", none=[99, 99], flip=[99, 99]),
    )
    marks = {one.defense: one.pareto for one in found.joint}
    assert marks == {"fedavg": True, "ffl": True, "dominated": False, "one track": False}
    lone = next(one for one in found.joint if one.defense == "one track")
    assert lone.entries["worst-psnr"].status == "not measured"


def test_a_gap_keeps_a_defense_off_the_front(tmp_path: Path) -> None:
    lucky = [
        one
        for one in both_tracks("lucky", 99, 99, 1)
        if one.specification.seed == 0 or one.specification.attack.label != "flip"
    ]
    found = board_of(tmp_path, *both_tracks("fedavg", 90, 10, 20), *lucky)
    assert {one.defense: one.pareto for one in found.joint} == {"fedavg": True, "lucky": False}


def test_joint_over_several_tasks_needs_them_all(tmp_path: Path) -> None:
    records = [record("flip", "fedavg", s, v, task=t) for s in (0, 1) for t, v in (("t1", 40.0), ("t2", 60.0 + s))]
    found = board_of(tmp_path, *records, record("flip", "ffl", 0, 99.0, task="t1"))
    entries = {one.defense: one.entries["worst-accuracy"] for one in found.joint}
    assert entries["fedavg"].values == {0: 50, 1: 50.5}
    assert entries["ffl"].status == "not measured"
    assert "measured on 1 of 2 tasks" in entries["ffl"].note


def test_mixed_versions_and_uncommitted_changes_are_said(tmp_path: Path) -> None:
    found = board_of(
        tmp_path,
        record("flip", version="1"),
        record("sign", version="2", provenance={"dirty": True, "device": "cuda:1", "precision": "bfloat16"}),
    )
    assert any("2 versions" in line for line in found.problems)
    assert any("1 record made with uncommitted changes" in line for line in found.problems)
    ways = "records computed in 2 ways are compared with each other: cpu, 1 thread, float32; cuda, 1 thread, bfloat16"
    assert ways in found.problems


def test_a_malicious_server_is_a_threat_of_its_own(tmp_path: Path) -> None:
    records = [leak("curious", d, s, 10.0 + s) for s in (0, 1) for d in ("fedavg", "ffl")]
    records += [leak("imprint", d, s, 90.0, threat="malicious") for s in (0, 1) for d in ("fedavg", "ffl")]
    (task,) = load_results(write(tmp_path, *records)).tasks
    found = task_board(task, "fedavg")
    assert [(one.name, one.attacks, one.ranked_by) for one in found.threats] == [
        ("honest but curious", ["curious"], "worst-psnr"),
        ("malicious", ["imprint"], "worst-psnr-malicious"),
    ]
    assert row(found, "ffl").totals["worst-psnr"].mean == 10.5
    assert row(found, "ffl").totals["worst-psnr-malicious"].mean == 90


def test_what_is_not_an_image_is_ranked_by_what_stands_for_it(tmp_path: Path) -> None:
    tokens = {"fedavg": 80.0, "ffl": 20.0}
    records = [
        record(
            "tag", d, s, track="reconstruction", metrics={"token-recovery": v + s, "psnr": None}, threat="honest but curious"
        )
        for s in (0, 1)
        for d, v in tokens.items()
    ]
    results = load_results(write(tmp_path, *records))
    found = task_board(results.tasks[0], "fedavg")
    assert found.threats[0].ranked_by == "worst-token-recovery"
    assert [one.defense for one in found.rows] == ["ffl", "fedavg"]
    assert row(found, "ffl").totals["worst-psnr"].status == "not applicable"


def test_tasks_without_images_do_not_spoil_the_joint_view(tmp_path: Path) -> None:
    records = [leak("curious", "fedavg", s, 10.0 + s) for s in (0, 1)]
    records += [
        record("tag", "fedavg", s, track="reconstruction", task="texts", metrics={"token-recovery": 50.0, "psnr": None})
        for s in (0, 1)
    ]
    board = build_board(load_results(write(tmp_path, *records)))
    assert board.joint[0].entries["worst-psnr"].mean == 10.5


def test_the_threat_model_of_a_task_is_stated(tmp_path: Path) -> None:
    stated = {"peers": 2, "victims": 1, "batch": 8, "steps": 5, "labels_known": False, "training_mode": True}
    (task,) = load_results(write(tmp_path, leak("deep", "fedavg", 0, 20.0, settings=stated))).tasks
    assert task_board(task, "fedavg").setting == {
        "update": "5 local steps",
        "batch": "8 examples at each of 2 peers, size known",
        "labels": "not known",
        "batch statistics": "shown, where a network has batch norm",
    }
    strange = {"peers": "<b>many</b>", "steps": [1], "labels_known": "perhaps"}
    (task,) = load_results(write(tmp_path / "b", leak("deep", "fedavg", 0, 20.0, settings=strange))).tasks
    assert task_board(task, "fedavg").setting == {}


def test_the_federation_of_a_task_is_stated(tmp_path: Path) -> None:
    partition = {"kind": "dirichlet", "alpha": 0.3, "classes_per_peer": 2}
    stated = {
        "peers": 20,
        "participation": 0.5,
        "rounds": 10,
        "tolerated": 0.2,
        "root_examples": 100,
        "partition": partition,
    }
    (task,) = load_results(write(tmp_path, record(accuracy=80.0, settings=stated))).tasks
    assert task_board(task, "fedavg").setting == {
        "peers": "20, 50% of them in a round",
        "rounds": "10",
        "data": "dirichlet, alpha 0.3",
        "attackers tolerated": "20%",
        "the server's own examples": "100",
    }
    even = stated | {"partition": {"kind": "iid", "alpha": 0.5}}
    (task,) = load_results(write(tmp_path / "even", record(accuracy=80.0, settings=even))).tasks
    assert task_board(task, "fedavg").setting["data"] == "iid"
