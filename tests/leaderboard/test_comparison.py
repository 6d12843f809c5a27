"""What the gate calls a regression, what it calls broken, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from leaderboard_records import leak, record, specification, write

from fflbench.errors import UserError
from fflbench.leaderboard.comparison import Comparison, Options, compare_folders, compare_results
from fflbench.leaderboard.measures import measure
from fflbench.leaderboard.packed import pack
from fflbench.leaderboard.results import Results, group
from fflbench.records import AttackSpec, Record

DEFENSES = ("fedavg", "median", "krum", "ffl")
ATTACKS = ("none", "alie", "sign-flip")


def records(seed: int = 0, seeds: int = 3, lost: float = 0.0, noise: float = 1.0) -> list[Record]:
    """Accuracy of four defenses under three attacks, with that noise between seeds; `ffl` loses that much."""
    rng = np.random.default_rng(seed)
    return [
        record(attack, defense, s, 80 - 5 * d - 3 * a + float(rng.normal(0, noise)) - (lost if defense == "ffl" else 0))
        for d, defense in enumerate(DEFENSES)
        for a, attack in enumerate(ATTACKS)
        for s in range(seeds)
    ]


def compared(before: list[Record], after: list[Record], **options: Any) -> Comparison:
    """As `compare_folders` does, without the files."""
    return compare_results(loaded(before), loaded(after), Options(**options))


def loaded(found: list[Record]) -> Results:
    measures = {name: measure(name) for one in found for name in one.metrics}
    return Results(Path("r"), tuple(group(found)[0]), measures)


def without(found: list[Record], attack: str, defense: str) -> list[Record]:
    return [r for r in found if (r.specification.attack.label, r.specification.defense.label) != (attack, defense)]


def test_the_same_results_pass_and_nothing_is_tested() -> None:
    found = compared(records(), records())
    assert found.passed
    assert {cell.outcome for cell in found.cells} == {"fine"}
    assert {change.verdict for change in found.changes} == {"same"}
    assert found.averages == ()


def test_a_defense_that_lost_five_points_is_named_and_nobody_else() -> None:
    found = compared(records(0), records(1, lost=5))
    assert not found.passed
    assert {change.defense for change in found.regressions} == {"ffl"}
    average = found.regressions[0]
    assert average.attack is None
    assert average.difference == pytest.approx(-5, abs=1.5)
    assert average.p is not None
    assert average.p < 0.001


def test_noise_within_the_seeds_is_no_regression_however_large() -> None:
    assert compared(records(0, noise=10), records(1, noise=10)).passed


def test_a_loss_within_the_tolerance_is_fine_however_sure() -> None:
    found = compared(records(0, noise=0), records(0, noise=0, lost=0.9))
    assert found.passed
    assert {change.verdict for change in found.changes if change.defense == "ffl"} == {"within tolerance"}
    assert not compared(records(0, noise=0), records(0, noise=0, lost=0.9), tolerances={"accuracy": 0.5}).passed


def test_the_same_loss_in_every_seed_is_a_regression_without_any_spread() -> None:
    found = compared(records(0, noise=0), records(0, noise=0, lost=2))
    assert {change.defense for change in found.regressions} == {"ffl"}
    assert {change.p for change in found.regressions} == {0.0}


@pytest.mark.parametrize(("metric", "gain"), [("accuracy", 9.0), ("test-loss", -9.0), ("attack-success", -9.0)])
def test_the_direction_is_the_metrics_own(metric: str, gain: float) -> None:
    def with_metric(change: float) -> list[Record]:
        rng = np.random.default_rng(0)
        return [record("none", "ffl", seed, metrics={metric: 50 + change + rng.normal(0, 0.1)}) for seed in range(3)]

    better, worse = compared(with_metric(0), with_metric(gain)), compared(with_metric(gain), with_metric(0))
    assert [change.verdict for change in better.changes] == ["improvement"]
    assert better.passed
    assert [change.verdict for change in worse.changes] == ["regression"]
    assert not worse.passed


def test_for_a_reconstruction_more_similar_pictures_are_worse() -> None:
    rng = np.random.default_rng(0)
    levels = [15 + rng.normal(0, 0.1) for _ in range(3)]
    before = [leak("dlg", "ffl", seed, level) for seed, level in enumerate(levels)]
    after = [leak("dlg", "ffl", seed, level + 3) for seed, level in enumerate(levels)]
    found = compared(before, after)
    assert [change.measure.name for change in found.regressions] == ["psnr"]
    assert found.regressions[0].difference == pytest.approx(3)


def test_a_metric_without_a_direction_is_shown_and_never_judged() -> None:
    before, after = ([record("none", "ffl", seed, metrics={"zeal": value}) for seed in range(3)] for value in (1.0, 900.0))
    found = compared(before, after)
    assert found.passed
    assert [change.verdict for change in found.changes] == ["not judged"]


def test_a_metric_of_infinite_tolerance_is_not_judged_and_costs_the_others_nothing() -> None:
    found = compared(records(0), records(1, lost=40), tolerances={"accuracy": float("inf")})
    assert found.passed
    assert {change.verdict for change in found.changes} == {"not judged"}


def test_one_seed_is_judged_by_the_tolerance_alone_and_it_says_so() -> None:
    before, after = [record("none", "ffl", 0, 80.0)], [record("none", "ffl", 0, 78.5)]
    found = compared(before, after)
    assert [change.verdict for change in found.changes] == ["regression"]
    assert found.changes[0].p is None
    assert any("one seed: judged by the tolerance alone" in line for line in found.remarks)
    assert compared(before, after, tolerances={"accuracy": 2}).passed


def test_identical_cells_do_not_weaken_the_test_of_one_that_changed() -> None:
    """A change of one defense leaves the others bit for bit: a loss is as visible among a thousand as alone."""
    rng = np.random.default_rng(2)
    loss = [-3.0, -3.2, -2.9]
    crowd = [record("none", f"d{k}", seed, 50 + rng.normal()) for k in range(300) for seed in range(3)]
    own = [record("none", "ffl", seed, 80.0) for seed in range(3)]
    changed = [record("none", "ffl", seed, 80.0 + loss[seed]) for seed in range(3)]
    alone, among = compared(own, changed), compared([*crowd, *own], [*crowd, *changed])
    assert [c.p for c in alone.regressions] == [c.p for c in among.regressions] != []


def test_the_same_view_recorded_for_many_defenses_is_one_test() -> None:
    def leaks(level: float, names: int) -> list[Record]:
        return [leak("dlg", f"d{k}", seed, level * (1 + seed / 50)) for k in range(names) for seed in range(3)]

    one, many = compared(leaks(15, 1), leaks(19, 1)), compared(leaks(15, 40), leaks(19, 40))
    assert one.changes[0].p == pytest.approx(many.changes[0].p)


Break = Callable[[Record], Record | None]


def broken(**update: Any) -> Break:
    return lambda one: one.model_copy(update=update)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda one: None, "missing"),
        (broken(status="failed", error="Boom: out of memory", metrics={}), "failed: Boom: out of memory"),
        (broken(status="diverged", error="not finite after round 3"), "diverged: not finite after round 3"),
        (broken(status="incompatible", error="needs each update", metrics={}), "incompatible: needs each update"),
        (broken(metrics={"accuracy": None}), "no value any more: accuracy"),
        (broken(metrics={}), "no value any more: accuracy"),
    ],
)
def test_a_cell_that_was_fine_and_is_broken_fails(change: Break, words: str) -> None:
    before = records()
    after = [new for one in before if (new := change(one) if is_at(one, "alie", "krum") else one) is not None]
    found = compared(before, after)
    assert not found.passed
    assert [(cell.attack, cell.defense) for cell in found.broken] == [("alie", "krum")]
    assert found.broken[0].problems == (words,)
    assert found.regressions == []


def is_at(one: Record, attack: str, defense: str, seed: int | None = None) -> bool:
    spec = one.specification
    return (spec.attack.label, spec.defense.label) == (attack, defense) and seed in (None, spec.seed)


def test_one_missing_seed_is_named_and_the_others_are_still_judged() -> None:
    after = [one for one in records(1) if not is_at(one, "alie", "krum", 1)]
    found = compared(records(0), after)
    assert found.broken[0].problems == ("missing (seed 1)",)
    assert found.broken[0].changes[0].seeds == 2


def test_what_was_broken_before_is_told_and_does_not_fail() -> None:
    def failed(found: list[Record]) -> list[Record]:
        return [one.model_copy(update={"status": "failed", "metrics": {}}) if is_at(one, "none", "krum") else one
                for one in found]  # fmt: skip

    both = compared(failed(records()), failed(records()))
    assert both.passed
    assert [cell.defense for cell in both.having("unusable in both")] == ["krum"]
    repaired = compared(failed(records()), records())
    assert repaired.passed
    assert [cell.defense for cell in repaired.having("improvement")] == ["krum"]


def test_new_cells_are_told_and_do_not_fail() -> None:
    found = compared(without(records(), "alie", "krum"), records())
    assert found.passed
    assert [(cell.attack, cell.defense) for cell in found.having("new")] == [("alie", "krum")]


def test_another_specification_under_the_same_label_is_not_comparable() -> None:
    before = [record("none", "ffl", seed, 80.0, settings={"rounds": 4}) for seed in range(3)]
    after = [record("none", "ffl", seed, 80.0, settings={"rounds": 9}) for seed in range(3)]
    found = compared(before, after)
    assert not found.passed
    assert len(found.cells) == 1
    assert found.cells[0].problems == ("not comparable: the task's specification changed (settings.rounds 4 -> 9)",)


def test_cells_match_whatever_the_version_of_the_code() -> None:
    before = [record("none", "ffl", seed, 80.0, version="1") for seed in range(3)]
    after = [record("none", "ffl", seed, 80.0, version="2") for seed in range(3)]
    assert before[0].digest != after[0].digest
    assert [c.verdict for c in compared(before, after).changes] == ["same"]


def test_what_was_computed_in_another_way_is_compared_with_a_remark() -> None:
    after = [
        one.model_copy(update={"provenance": one.provenance.model_copy(update={"device": "cuda:1"})}) for one in records()
    ]
    found = compared(records(), after)
    assert found.passed
    assert (
        "36 records computed in other ways are compared, such as cpu, 1 thread, float32 with cuda, 1 thread, float32"
        in found.remarks
    )


def test_only_and_seeds_choose_and_what_they_leave_out_cannot_fail() -> None:
    after = without(records(), "alie", "krum")
    assert not compared(records(), after).passed
    assert compared(records(), after, only=("*/none",)).passed
    assert len(compared(records(), after, only=("*/none",)).cells) == len(DEFENSES)
    assert compared(records(), [one for one in records() if one.specification.seed != 2], seeds=(0, 1)).passed
    with pytest.raises(UserError, match="--only: found 'nonsense', which matches no cell"):
        compared(records(), records(), only=("nonsense",))
    with pytest.raises(UserError, match=r"BASELINE: .* has no cell with the chosen --only and --seeds"):
        compared(records(), records(), seeds=(7,))


def test_missing_cells_can_be_allowed_but_not_all_of_them() -> None:
    found = compared(records(), without(records(), "alie", "krum"), allow_missing=True)
    assert found.passed
    assert "1 cell of the baseline not in the results, which --allow-missing allows" in found.remarks
    with pytest.raises(UserError, match="no cell in common"):
        compared(records(), [record("none", "mine", 0, 1.0)], allow_missing=True)


def test_folders_of_records_and_packed_ones_say_the_same(tmp_path: Path) -> None:
    write(tmp_path / "a", *records(0))
    write(tmp_path / "b", *records(1, lost=5))
    pack(tmp_path / "a", tmp_path / "packed")
    loose, packed = (compare_folders(tmp_path / name, tmp_path / "b") for name in ("a", "packed"))
    assert loose.cells == packed.cells
    assert loose.averages == packed.averages
    with pytest.raises(UserError, match="no such folder"):
        compare_folders(tmp_path / "nowhere", tmp_path / "b")


def test_two_attacks_of_one_label_are_kept_apart() -> None:
    def twins() -> list[Record]:
        spec = specification("alie", "ffl", 0)
        other = spec.model_copy(update={"attack": AttackSpec(label="alie", name="alie", parameters={"z": 2.0})})
        first = record("alie", "ffl", 0, 80.0)
        return [first, first.model_copy(update={"digest": "1" * 64, "specification": other, "metrics": {"accuracy": 30.0}})]

    found = compared(twins(), twins())
    assert len(found.cells) == 2
    assert found.passed


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=1, max_size=5))
def test_swapping_the_sides_turns_losses_into_gains(values: list[tuple[float, float]]) -> None:
    one, two = ([record("none", "ffl", seed, pair[side]) for seed, pair in enumerate(values)] for side in (0, 1))
    there, back = compared(one, two).changes[0], compared(two, one).changes[0]
    turned = {"regression": "improvement", "improvement": "regression"}
    assert back.verdict == turned.get(there.verdict, there.verdict)
    assert there.difference == pytest.approx(-back.difference)
    assert there.p == (None if back.p is None else pytest.approx(back.p))


def test_what_would_have_gone_unseen_is_what_the_test_would_not_have_called() -> None:
    found = compared(records(0), records(1))
    (visible,) = found.visible
    assert visible.cells == len(DEFENSES) * len(ATTACKS)
    assert not compared(records(0), records(1, lost=2 * visible.loss)).passed
