"""Mean ranks over tasks and attacks: the tests against scipy and the paper, gaps, threat models, tasks that few ran on."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from leaderboard_records import leak, record, write
from scipy import stats

from fflbench.leaderboard.board import Board, Standing
from fflbench.leaderboard.build import build_board
from fflbench.leaderboard.results import load_results
from fflbench.leaderboard.statistics import critical_difference, friedman, rank_intervals, ranked
from fflbench.records import DefenseSpec, Part, Record


@pytest.mark.parametrize(("defenses", "quantile"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_critical_values_are_those_of_the_paper(defenses: int, quantile: float) -> None:
    assert critical_difference(defenses, 1) == pytest.approx(quantile * (defenses * (defenses + 1) / 6) ** 0.5, abs=0.003)


@given(st.lists(st.lists(st.integers(0, 5), min_size=4, max_size=4), min_size=2, max_size=12))
def test_friedman_agrees_with_scipy(rows: list[list[int]]) -> None:
    scores = np.array(rows, dtype=float)
    p_value = friedman(ranked(scores))
    assert p_value is not None
    if (scores == scores[:, :1]).all():
        assert p_value == 1
        return
    chi = stats.friedmanchisquare(*scores.T).statistic
    left = len(rows) * 3 - chi
    expected = 0.0 if left < 1e-9 else stats.f.sf((len(rows) - 1) * chi / left, 3, 3 * (len(rows) - 1))
    assert p_value == pytest.approx(expected, abs=1e-9)


def test_nothing_to_test() -> None:
    assert friedman(np.ones((1, 3))) is None
    assert friedman(np.ones((3, 1))) is None


def test_intervals_hold_the_mean_and_shrink_with_blocks() -> None:
    rng = np.random.default_rng(1)
    few, many = (ranked(rng.normal(size=(blocks, 5)) + np.arange(5)) for blocks in (8, 200))
    widths = []
    for ranks in (few, many):
        low, high = rank_intervals(ranks)
        assert (low <= ranks.mean(axis=0)).all()
        assert (ranks.mean(axis=0) <= high).all()
        widths.append((high - low).mean())
    assert widths[1] < widths[0] / 2


def test_intervals_cover_the_truth() -> None:
    """Over repeated draws of 30 blocks the true mean rank lies in the interval about as often as promised."""
    rng = np.random.default_rng(2)
    means = np.array([0.0, 0.3, 0.6, 0.9])
    truth = ranked(rng.normal(means, size=(20_000, 4))).mean(axis=0)
    inside = []
    for draw in range(100):
        low, high = rank_intervals(ranked(rng.normal(means, size=(30, 4))), seed=draw)
        inside.append((low <= truth) & (truth <= high))
    assert 0.88 <= np.mean(inside) <= 0.99


def attacked(defense: str, accuracy: list[float], task: str = "", threat: str = "", seeds: int = 2) -> list[Record]:
    """One attack a value."""
    cells = [("none", 90.0), *((f"{threat or 'own'} {n}", value) for n, value in enumerate(accuracy))]
    return [
        record(attack, defense, seed, value + seed / 10, task=task, threat=threat if attack != "none" else "")
        for attack, value in cells
        for seed in range(seeds)
    ]


def board_of(folder: Path, *records: Record) -> Board:
    return build_board(load_results(write(folder, *records)), "a")


def only(board: Board) -> Standing:
    (standing,) = board.standings
    return standing


def test_mean_ranks_by_hand(tmp_path: Path) -> None:
    """a is first in four of five blocks; b and c tie in one."""
    found = only(board_of(tmp_path, *attacked("a", [80, 80, 80, 80, 10]), *attacked("b", [70, 70, 70, 70, 50]),
                          *attacked("c", [60, 60, 60, 70, 40])))  # fmt: skip
    assert (found.threat, found.score, found.blocks) == ("own data", "accuracy under attack", 5)
    assert {row.defense: row.mean_rank for row in found.rows} == {"a": 7 / 5, "b": (2 + 2 + 2 + 2.5 + 1) / 5,
                                                                 "c": (3 + 3 + 3 + 2.5 + 2) / 5}  # fmt: skip
    assert [row.defense for row in found.rows] == ["a", "b", "c"]
    assert found.critical_difference == pytest.approx(2.343 * (12 / 30) ** 0.5, abs=0.003)
    ranks = [(row.rank.position, row.rank.tied) for row in found.rows if row.rank]
    assert ranks == [(1, True), (1, True), (1, True)], "1.3 apart, 1.48 needed"


def test_groups_need_the_critical_difference(tmp_path: Path) -> None:
    values = {"a": 80.0, "b": 79.0, "c": 20.0}
    found = only(board_of(tmp_path, *(one for name, v in values.items() for one in attacked(name, [v] * 12))))
    assert found.p_value is not None
    assert found.p_value < 1e-6
    assert {row.defense: str(row.rank) for row in found.rows} == {"a": "1", "b": "2", "c": "3"}


def test_a_failed_run_is_last_in_its_block_and_counted(tmp_path: Path) -> None:
    broken = [record("own 0", "lucky", 1, status="failed", error="boom")]
    lucky = [
        one
        for one in attacked("lucky", [99] * 5)
        if (one.specification.attack.label, one.specification.seed) != ("own 0", 1)
    ]
    found = only(board_of(tmp_path, *attacked("a", [50] * 5), *attacked("b", [40] * 5), *lucky, *broken))
    rows = {row.defense: row for row in found.rows}
    assert (rows["lucky"].gaps, rows["lucky"].mean_rank) == (1, (1 * 4 + 3) / 5)
    assert (rows["a"].gaps, rows["a"].mean_rank) == (0, (2 * 4 + 1) / 5)


def test_an_attack_that_does_not_fit_leaves_the_clean_accuracy(tmp_path: Path) -> None:
    unfit = [record("own 0", "secure", seed, status="incompatible", error="sees the sum") for seed in (0, 1)]
    secure = [one for one in attacked("secure", [10] * 5) if one.specification.attack.label != "own 0"]
    found = only(board_of(tmp_path, *attacked("a", [50] * 5), *secure, *unfit))
    rows = {row.defense: row.mean_rank for row in found.rows}
    assert rows == {"a": (2 + 4) / 5, "secure": (1 + 4 * 2) / 5}, "90 without attackers beats 50 in one block"


def test_an_observer_that_does_not_fit_learns_what_grey_knows(tmp_path: Path) -> None:
    grey = {"grey": {"psnr": 9.0}, "true image": {"psnr": 100.0}}
    records = [leak(f"deep {n}", d, 0, v, references=grey) for n in range(5) for d, v in (("a", 20.0), ("b", 8.0))]
    records += [
        record(f"deep {n}", "unseen", 0, track="reconstruction", status="incompatible", error="no update") for n in range(5)
    ]
    found = only(board_of(tmp_path, *records))
    assert [(row.defense, row.mean_rank) for row in found.rows] == [("b", 1.0), ("unseen", 2.0), ("a", 3.0)]


def test_threat_models_are_never_ranked_together(tmp_path: Path) -> None:
    weak = [*attacked("a", [80] * 5), *attacked("b", [70] * 5)]
    strong = [*attacked("a", [10] * 5, threat="omniscient"), *attacked("b", [60] * 5, threat="omniscient")]
    strong = [one for one in strong if one.specification.attack.label != "none"]
    found = board_of(tmp_path, *weak, *strong)
    assert [(one.threat, [row.defense for row in one.rows]) for one in found.standings] == [
        ("own data", ["a", "b"]),
        ("omniscient", ["b", "a"]),
    ]
    (task,) = found.tasks
    assert {row.defense: row.totals["worst-accuracy"].mean for row in task.rows} == {"a": 80.05, "b": 70.05}
    assert {row.defense: row.totals["worst-accuracy-omniscient"].mean for row in task.rows} == {"a": 10.05, "b": 60.05}
    ranks = {row.defense: {threat: rank.position for threat, rank in row.ranks.items()} for row in task.rows}
    assert ranks == {"a": {"own data": 1, "omniscient": 2}, "b": {"own data": 2, "omniscient": 1}}


def test_a_threat_that_nobody_knows_gets_a_name_of_its_own(tmp_path: Path) -> None:
    found = board_of(tmp_path, *attacked("a", [80], threat="<Knows> all!"), *attacked("a", [50], threat="knows all"))
    (task,) = found.tasks
    suffixes = {one.name: one.suffix for one in task.threats}
    assert suffixes["knows all"] == "-knows-all"
    assert re.fullmatch("-knows-all-[0-9a-f]{6}", suffixes["<Knows> all!"])


def test_a_task_that_few_ran_on_does_not_count_over_tasks(tmp_path: Path) -> None:
    many = [one for name in "abcde" for one in attacked(name, [ord(name) - 50] * 5, task="many")]
    few = [one for name in "ab" for one in attacked(name, [99] * 5, task="few")]
    found = board_of(tmp_path, *many, *few)
    assert only(found).tasks == ["many"]
    assert all(row.entries["worst-accuracy"].status == "ok" for row in found.joint)
    assert "poisoning task 'few': less than half of the defenses ran on it, so it is shown by itself only" in found.problems


def test_a_defense_that_lacks_a_task_is_not_ranked(tmp_path: Path) -> None:
    records = [one for name in "abc" for one in attacked(name, [ord(name) - 50] * 5, task="one")]
    records += [one for name in "ab" for one in attacked(name, [ord(name) - 50] * 5, task="two")]
    found = only(board_of(tmp_path, *records))
    assert found.blocks == 10
    last = found.rows[-1]
    assert (last.defense, last.mean_rank, last.note) == ("c", None, "ran on 1 of 2 tasks: not ranked")


def test_the_joint_view_is_over_tasks_with_the_same_threats(tmp_path: Path) -> None:
    """Else the accuracy without attackers would be of other tasks than the accuracy under them."""
    strong = [
        one for one in attacked("a", [30], task="both", threat="omniscient") if one.specification.attack.label != "none"
    ]
    found = board_of(tmp_path, *attacked("a", [80], task="both"), *strong, *attacked("a", [10], task="one threat"))
    (row,) = found.joint
    assert row.entries["worst-accuracy"].mean == pytest.approx(80.05)
    assert any("'one threat': has fewer threat models than others" in line for line in found.problems)


def test_a_few_blocks_are_no_standing(tmp_path: Path) -> None:
    assert board_of(tmp_path, *attacked("a", [50] * 4), *attacked("b", [60] * 4)).standings == []


def test_every_pair_of_threats_has_its_front(tmp_path: Path) -> None:
    """a is private and weak against those who know all, b the other way round."""
    poisoned = [*attacked("a", [80, 70]), *attacked("b", [60, 50])]
    poisoned += [one for name, v in (("a", 20.0), ("b", 60.0)) for one in attacked(name, [v], threat="omniscient")
                 if one.specification.attack.label != "none"]  # fmt: skip
    leaks = [leak("deep", d, s, v + s) for d, v in (("a", 9.0), ("b", 20.0)) for s in (0, 1)]
    found = board_of(tmp_path, *poisoned, *leaks)
    fronts = {(one.view, one.attackers, one.server): one.defenses for one in found.fronts}
    assert fronts == {
        ("worst", "own data", "honest but curious"): ["a"],
        ("worst", "omniscient", "honest but curious"): ["a", "b"],
        ("mean", "own data", "honest but curious"): ["a"],
        ("mean", "omniscient", "honest but curious"): ["a", "b"],
    }
    assert {row.defense: row.pareto for row in found.joint} == {"a": True, "b": False}
    assert {row.defense: row.entries["mean-accuracy"].mean for row in found.joint} == {"a": 75.05, "b": 55.05}


def test_a_label_that_means_different_defenses_on_two_tracks_is_not_one(tmp_path: Path) -> None:
    """A robust variant and a private one under one label would look like a defense that is both."""
    other = DefenseSpec(label="ffl", parts=(Part(kind="aggregator", name="ffl", parameters={"exchange": 0.1}),))
    private = [leak("deep", "ffl", s, 9.0) for s in (0, 1)]
    private = [
        one.model_copy(update={"specification": one.specification.model_copy(update={"defense": other})}) for one in private
    ]
    found = board_of(tmp_path, *attacked("ffl", [80]), *private)
    assert len(found.joint) == 2
    assert found.fronts == []
    assert any("'ffl' stands for 2 different specifications" in line for line in found.problems)


def test_a_threat_whose_name_ends_like_a_score_takes_no_other_threats_scores(tmp_path: Path) -> None:
    hit = [record("flip", "a", 0, 50.0, metrics={"attack-success": 30.0}), record("other", "a", 0, 40.0, threat="success")]
    (task,) = board_of(tmp_path, *hit).tasks
    assert task.threat_of_total("worst-attack-success") == "own data"
    assert task.threat_of_total("worst-accuracy-success") == "success"
    assert task.threat_of_total("seconds-per-round") == ""
