"""Which cells are run again: the same for the same seed, spread, never what nobody could check."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from fflbench.records import AttackSpec, DefenseSpec, Part, Provenance, Record, Specification, TaskSpec, digest_of
from fflbench.verification.sample import sample


def record(task: str, attack: str, defense: str, seed: int, status: str = "ok", seconds: float = 1.0) -> Record:
    spec = Specification(
        track="poisoning",
        task=TaskSpec(label=task, dataset={}, model={}, settings={}),
        attack=AttackSpec(label=attack, name=attack),
        defense=DefenseSpec(label=defense, parts=(Part(kind="aggregator", name=defense),)),
        seed=seed,
    )
    return Record(digest=digest_of(spec.digest()), specification=spec, status=status, seconds={"training": seconds},
                  provenance=Provenance(suite="s", version="1"))  # fmt: skip


GRID = [record(task, attack, defense, seed) for task in "tu" for attack in "abcd" for defense in "wxyz" for seed in range(4)]


@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 40), st.randoms())
def test_one_seed_draws_the_same_cells_in_any_order(seed: int, count: int, shuffle: random.Random) -> None:
    drawn, left_out = sample(GRID, count, seed, "digest", None)
    assert len(drawn) == len({one.digest for one in drawn}) == count
    assert left_out == 0
    mixed = list(GRID)
    shuffle.shuffle(mixed)
    assert sample(mixed, count, seed, "digest", None)[0] == drawn


@settings(deadline=None)
@given(st.integers(0, 2**31))
def test_four_cells_meet_every_attack_and_every_defense(seed: int) -> None:
    drawn, _ = sample(GRID, 4, seed, "digest", None)
    specs = [one.specification for one in drawn]
    assert {spec.attack.label for spec in specs} == set("abcd")
    assert {spec.defense.label for spec in specs} == set("wxyz")
    assert {spec.task.label for spec in specs} == set("tu")


def test_the_draw_depends_on_seed_and_submission() -> None:
    drawn = {tuple(one.digest for one in sample(GRID, 5, seed, text, None)[0]) for seed in range(8) for text in "ab"}
    assert len(drawn) > 12


def test_long_and_failed_cells_are_not_drawn() -> None:
    records = [record("t", "a", "w", 0, seconds=50.0), record("t", "a", "w", 1, "failed"), record("t", "a", "w", 2, "diverged"),
               record("t", "a", "w", 3, "incompatible")]  # fmt: skip
    drawn, left_out = sample(records, 9, 0, "digest", 49.0)
    assert {one.specification.seed for one in drawn} == {2, 3}
    assert left_out == 1
