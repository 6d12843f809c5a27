"""Dealing examples to peers: what always holds, what each kind promises, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fflbench.data.partition import Partition, partition
from fflbench.errors import DataError

Targets = npt.NDArray[np.int64]
KINDS = ("iid", "dirichlet", "classes", "quantity")


def draw(targets: Targets, peers: int, seed: int = 0, **fields: Any) -> list[Targets]:
    return partition(targets, peers, np.random.default_rng(seed), Partition(**fields))


def draw_or_refuse(targets: Targets, peers: int, seed: int, **fields: Any) -> list[Targets] | DataError:
    try:
        return draw(targets, peers, seed, **fields)
    except DataError as refusal:
        return refusal


def even_targets(classes: int, each: int) -> Targets:
    return np.repeat(np.arange(classes), each)


@given(
    kind=st.sampled_from(KINDS),
    targets=st.lists(st.integers(0, 4), min_size=1, max_size=60).map(np.array),
    peers=st.integers(1, 8),
    alpha=st.floats(0.05, 1e7),
    minimum=st.integers(1, 4),
    seed=st.integers(0, 2**32),
)
def test_a_partition_is_disjoint_complete_and_repeatable_or_refused(
    kind: str, targets: Targets, peers: int, alpha: float, minimum: int, seed: int
) -> None:
    fields = {"kind": kind, "alpha": alpha, "minimum": minimum, "classes_per_peer": 1}
    parts = draw_or_refuse(targets, peers, seed, **fields)
    if isinstance(parts, DataError):
        assert "\n" not in str(parts)
        assert kind in ("dirichlet", "classes") or peers * minimum > len(targets)
        return
    assert len(parts) == peers
    assert all(len(part) >= minimum and part.dtype == np.int64 for part in parts)
    assert all((np.diff(part) > 0).all() for part in parts)
    dealt = np.concatenate(parts)
    assert len(np.unique(dealt)) == len(dealt)
    left_out = np.setdiff1d(np.arange(len(targets)), dealt)
    if kind == "classes":
        assert not np.isin(targets[left_out], targets[dealt]).any()
        assert not len(left_out) or peers < len(np.unique(targets))
    else:
        assert not len(left_out)
    assert all(np.array_equal(a, b) for a, b in zip(parts, draw(targets, peers, seed, **fields), strict=True))


@given(st.integers(1, 200), st.integers(1, 20))
def test_iid_sizes_differ_by_at_most_one(count: int, peers: int) -> None:
    if peers <= count:
        sizes = [len(part) for part in draw(np.zeros(count, np.int64), peers)]
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_another_generator_gives_another_partition(kind: str) -> None:
    targets = even_targets(10, 50)
    first, second = (draw(targets, 5, seed, kind=kind) for seed in (0, 1))
    assert not all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def largest_share(parts: list[Targets], targets: Targets) -> float:
    """The mean over peers of the share of their most frequent class."""
    return float(np.mean([np.bincount(targets[part]).max() / len(part) for part in parts]))


def test_a_smaller_alpha_skews_the_labels_more() -> None:
    targets = even_targets(10, 200)
    shares = [largest_share(draw(targets, 10, kind="dirichlet", alpha=alpha), targets) for alpha in (0.1, 1, 1e6)]
    assert shares[0] > 0.4 > shares[1] > 0.2 > shares[2]
    assert shares[2] == pytest.approx(0.1, abs=0.02)


def test_a_huge_alpha_gives_every_peer_the_same_of_every_class() -> None:
    targets = even_targets(10, 200)
    for part in draw(targets, 10, kind="dirichlet", alpha=1e6):
        assert np.abs(np.bincount(targets[part], minlength=10) - 20).max() <= 1


def test_each_peer_holds_its_number_of_classes_and_classes_have_as_many_holders() -> None:
    targets = even_targets(10, 60)
    parts = draw(targets, 15, kind="classes", classes_per_peer=2)
    held = [set(targets[part].tolist()) for part in parts]
    assert all(len(classes) == 2 for classes in held)
    assert [sum(label in classes for classes in held) for label in range(10)] == [3] * 10
    assert [len(part) for part in parts] == [40] * 15


def test_all_classes_for_everybody_is_possible() -> None:
    targets = even_targets(3, 8)
    for part in draw(targets, 4, kind="classes", classes_per_peer=3):
        assert np.bincount(targets[part]).tolist() == [2, 2, 2]


def test_quantity_skews_sizes_and_not_labels() -> None:
    targets = even_targets(2, 5_000)
    parts = draw(targets, 5, kind="quantity", alpha=0.5, minimum=200)
    sizes = [len(part) for part in parts]
    assert min(sizes) >= 200
    assert max(sizes) > 2 * min(sizes)
    assert sum(sizes) == 10_000
    assert all(abs(targets[part].mean() - 0.5) < 0.15 for part in parts)


def test_a_single_class_is_dealt_by_every_kind() -> None:
    targets = np.zeros(40, np.int64)
    for kind in KINDS:
        assert sum(len(part) for part in draw(targets, 3, kind=kind, classes_per_peer=1)) == 40


@pytest.mark.parametrize(
    ("peers", "fields", "message"),
    [
        (0, {}, r"found 0 peers, needs at least 1"),
        (31, {}, r"found 30 examples for 31 peers, needs 31 \(minimum 1\): use fewer peers"),
        (4, {"minimum": 8}, r"found 30 examples for 4 peers, needs 32 \(minimum 8\)"),
        (2, {"kind": "classes", "classes_per_peer": 4}, r"classes_per_peer: found 4, needs at most 3"),
        (20, {"kind": "dirichlet", "alpha": 0.001}, r"alpha: found 0.001, .* raise alpha or use fewer peers"),
        (25, {"kind": "classes", "classes_per_peer": 1, "minimum": 1}, None),
    ],
)
def test_what_cannot_be_dealt_is_refused(peers: int, fields: dict[str, Any], message: str | None) -> None:
    targets = even_targets(3, 10)
    if message is None:
        assert sum(len(part) for part in draw(targets, peers, **fields)) == 30
        return
    with pytest.raises(DataError, match=message):
        draw(targets, peers, **fields)


def test_a_class_with_too_few_examples_for_its_holders_is_refused() -> None:
    targets = np.array([0] * 20 + [1])
    with pytest.raises(DataError, match=r"a peer got 0 examples of its 1 classes, needs 1: raise classes_per_peer"):
        draw(targets, 6, kind="classes", classes_per_peer=1)


@pytest.mark.parametrize("targets", [np.zeros((3, 2), np.int64), np.zeros(3)])
def test_targets_must_be_class_numbers(targets: Targets) -> None:
    with pytest.raises(DataError, match=r"partition: found targets \w+ \[.*\], needs integers \[n\]"):
        draw(targets, 2)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "even"}, {"alpha": 0}, {"alpha": -1}, {"alpha": float("nan")}, {"alpha": float("inf")},
        {"classes_per_peer": 0}, {"minimum": 0}, {"beta": 1},
    ],
    ids=str,
)  # fmt: skip
def test_wrong_fields_are_refused_at_the_door(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Partition(**fields)
