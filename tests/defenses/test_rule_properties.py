"""What holds of the rules by definition, for whatever rows: order, scale, agreement, few rows, and a minority of liars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fflbench.composition import build_defense, resolve_defense
from fflbench.contracts import Aggregate, Aggregator, PreAggregator, Round, Upload
from fflbench.registry import load, plugins

MakeRound = Callable[..., Round]

RULES: dict[str, dict[str, Any]] = {
    "meamed": {}, "geometric-median": {}, "bulyan": {}, "mda": {}, "smea": {}, "monna": {}, "caf": {},
    "centered-clipping": {}, "norm-clipping": {}, "sign-majority": {}, "rlr": {}, "residual-reweighting": {}, "dnc": {},
    "signguard": {}, "fltrust": {}, "flame": {"noise": 0.0}, "fldetector": {},
}  # fmt: skip
"""Without the noise that some add on purpose."""

PRE = ["nnm", "bucketing", "clipping", "arc"]

MOVES = ["meamed", "mda", "smea", "monna", "caf", "dnc"]
"""Their result moves with the updates; Bulyan's, the geometric median's and residual reweighting's do but for ties,
smoothing and rounding, and are not tried here."""

SCALES = [*MOVES, "norm-clipping", "sign-majority", "rlr", "signguard", "fldetector"]

BOUNDED = ["meamed", "geometric-median", "bulyan", "mda", "smea", "monna", "caf", "centered-clipping", "norm-clipping",
           "sign-majority", "residual-reweighting", "dnc", "signguard", "fltrust", "flame"]  # fmt: skip
"""A minority that sends anything moves them by no more than about the honest rows' own size."""

MATRICES = arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 5)), elements=st.integers(-20, 20).map(float))
LENIENT = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)


def result_of(name: str, rows: torch.Tensor, make_round: MakeRound, tolerated: int | None = None, **more: Any) -> Aggregate:
    """What a fresh rule makes of the rows; the server's own update is 1 everywhere."""
    n = len(rows)
    round_ = make_round(rows, tolerated=max(0, (n - 3) // 4) if tolerated is None else tolerated, **more)
    round_.root_update = lambda: torch.ones(rows.shape[1])
    kept = rows.clone()
    result: Aggregate = load("defenses", name)(**RULES[name]).aggregate(Upload(rows, round_.peers), round_)
    assert torch.equal(rows, kept), "the rows given were changed"
    assert result.vector.shape == rows[0].shape
    assert set(result.trust or round_.peers) == set(round_.peers)
    return result


def cloud(n: int, d: int = 40, seed: int = 0) -> torch.Tensor:
    """Honest rows: 1 everywhere, and some noise."""
    return 1 + 0.2 * torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", RULES)
class TestEveryRule:
    @LENIENT
    @given(rows=MATRICES)
    def test_gives_a_finite_step_for_any_number_of_rows(self, name: str, rows: np.ndarray, make_round: MakeRound) -> None:
        for tolerated in (0, 1, 4):
            assert torch.isfinite(result_of(name, torch.from_numpy(rows), make_round, tolerated).vector).all()

    def test_order_of_peers_does_not_matter(self, name: str, make_round: MakeRound) -> None:
        for seed, n in enumerate((1, 2, 5, 8, 11, 12)):
            rows = cloud(n, seed=seed)
            order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
            first = result_of(name, rows, make_round)
            again = result_of(name, rows[order], make_round, peers=order.tolist())
            torch.testing.assert_close(again.vector, first.vector, atol=1e-4, rtol=1e-4)
            if first.trust is not None:
                assert again.trust == pytest.approx(first.trust, abs=1e-4)

    def test_exact_when_all_agree(self, name: str, make_round: MakeRound) -> None:
        for n in (1, 2, 3, 7, 12):
            row = torch.ones(6) if name in ("fltrust", "sign-majority") else torch.tensor([1.0, -2, 0.5, 3, 0, 1])
            found = result_of(name, row.repeat(n, 1), make_round, tolerated=0 if name == "rlr" else None).vector
            if name == "rlr":  # 0 has no sign that anybody could agree on.
                found[4] = found[4].abs()
            torch.testing.assert_close(found, row, atol=1e-5, rtol=1e-5)

    def test_no_step_for_zero_rows(self, name: str, make_round: MakeRound) -> None:
        for n in (1, 4, 11):
            assert result_of(name, torch.zeros(n, 5), make_round).vector.abs().max() == 0


@pytest.mark.parametrize("name", [*MOVES, "geometric-median", "bulyan", "residual-reweighting", "fldetector"])
def test_constant_columns_stay(name: str, make_round: MakeRound) -> None:
    rows = cloud(11, d=6)
    rows[:, 2] = 0.75
    assert result_of(name, rows, make_round).vector[2].item() == pytest.approx(0.75, abs=1e-5)


@pytest.mark.parametrize("name", MOVES)
def test_moves_with_the_updates(name: str, make_round: MakeRound) -> None:
    for seed in range(4):
        rows = cloud(9, seed=seed)
        found = result_of(name, rows + 3, make_round).vector
        torch.testing.assert_close(found, result_of(name, rows, make_round).vector + 3, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", SCALES)
def test_scales_with_the_updates(name: str, make_round: MakeRound) -> None:
    for scale in (0.25, 64.0):
        rows = cloud(9)
        found = result_of(name, rows * scale, make_round).vector
        torch.testing.assert_close(found, result_of(name, rows, make_round).vector * scale)


@pytest.mark.parametrize("name", BOUNDED)
@pytest.mark.parametrize("size", [3.0, 1e6, 1e10])
def test_a_minority_cannot_carry_the_result_away(name: str, size: float, make_round: MakeRound) -> None:
    """Three of fifteen send the same far row, its negative, or rows in random directions. Honest rows are sqrt(40) = 6.3
    long. DnC looks along one direction: it is not made for three."""
    kinds = {"same": torch.ones(3, 40), "negative": -torch.ones(3, 40)}
    if name != "dnc":
        kinds["random"] = torch.randn(3, 40, generator=torch.Generator().manual_seed(1))
    for kind, direction in kinds.items():
        honest = cloud(12)
        result = result_of(name, torch.cat([honest, direction * size]), make_round, tolerated=3)
        bound = 1.5 if name == "centered-clipping" else 1.2  # tau = 10 is more than an honest length.
        assert result.vector.norm() < bound * honest.norm(dim=1).max()
        assert result.vector @ torch.ones(40) > 0
        # Near rows may pass; Bulyan's choice may hold attackers, which its second step then bears.
        if result.trust is not None and size > 3 and kind != "same" and name != "bulyan":
            liars, others = [result.trust[i] for i in range(12, 15)], [result.trust[i] for i in range(12)]
            assert np.mean(liars) <= 0.2 * np.mean(others)


@pytest.mark.parametrize("name", PRE)
class TestPreAggregators:
    @LENIENT
    @given(rows=MATRICES)
    def test_gives_finite_rows_of_known_peers(self, name: str, rows: np.ndarray, make_round: MakeRound) -> None:
        part: PreAggregator = load("defenses", name)()
        matrix = torch.from_numpy(rows)
        for tolerated in (0, 1, 4):
            upload = Upload(matrix.clone(), tuple(range(len(rows))))
            found = part.transform(upload, make_round(matrix, tolerated=tolerated))
            assert torch.isfinite(found.rows).all()
            assert len(found.rows) == len(found.peers) == part.remaining(len(rows))
            assert found.visibility == upload.visibility

    def test_rows_that_agree_stay(self, name: str, make_round: MakeRound) -> None:
        rows = torch.tensor([[0.5, -1.0, 0.0]]).repeat(7, 1)
        found = load("defenses", name)().transform(Upload(rows.clone(), tuple(range(7))), make_round(rows, tolerated=2))
        torch.testing.assert_close(found.rows, rows[: len(found.rows)])


@pytest.mark.parametrize("aggregator", ["median", "trimmed-mean", "geometric-median", "caf", "rlr"])
@pytest.mark.parametrize("before", PRE)
def test_every_composition_can_be_built_and_run(before: str, aggregator: str, make_round: MakeRound) -> None:
    defense = build_defense(resolve_defense(f"{before}+{aggregator}", "test"))
    rows = cloud(11)
    round_ = make_round(rows, tolerated=2)
    upload = defense.pre_aggregators[0].transform(Upload(rows.clone(), round_.peers), round_)
    assert (defense.aggregator.aggregate(upload, round_).vector - 1).abs().mean() < 0.9


def test_all_of_them_are_registered() -> None:
    assert {*RULES, *PRE, "rfa"} <= set(plugins("defenses"))
    assert all(issubclass(load("defenses", name), Aggregator) for name in RULES)
