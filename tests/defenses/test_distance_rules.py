"""Rules that go by distances and variance, against definitions tried by brute force and values worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
import torch

from fflbench.composition import build_defense, resolve_defense
from fflbench.contracts import Rng, Upload
from fflbench.defenses.aggregation.bulyan import Bulyan, krum_in_turn
from fflbench.defenses.aggregation.caf import CAF
from fflbench.defenses.aggregation.distances import central_row, inner_products, squared_distances
from fflbench.defenses.aggregation.geometric_median import RFA, GeometricMedian
from fflbench.defenses.aggregation.mda import MDA
from fflbench.defenses.aggregation.meamed import MeaMed, mean_near_median
from fflbench.defenses.aggregation.monna import MoNNA
from fflbench.defenses.aggregation.row_sums import distances_to
from fflbench.defenses.aggregation.smea import SMEA
from fflbench.registry import load
from tests.conftest import TASK

Run = Callable[..., torch.Tensor]


def rows_of(seed: int, n: int = 9, d: int = 4) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32))


class TestDistances:
    def test_inner_products_from_anywhere(self) -> None:
        rows, origin = rows_of(0), rows_of(1)[0]
        moved = (rows - origin).double()
        torch.testing.assert_close(inner_products(rows, origin, block=3), moved @ moved.T)
        torch.testing.assert_close(inner_products(rows, block=3), rows.double() @ rows.double().T)
        torch.testing.assert_close(distances_to(rows, origin, block=3), moved.norm(dim=1))

    def test_a_minority_is_never_the_centre(self) -> None:
        for seed in range(20):
            attackers = rows_of(seed, 3) * 1e-3 + 50  # Closer to each other than honest rows are.
            assert central_row(squared_distances(torch.cat([attackers, rows_of(seed, 4)]))) >= 3


class TestMeaMed:
    def test_by_hand(self, aggregate: Run) -> None:
        """Median 3; nearest 3: 2, 3, 5 of the first column; median 0 of the second: -1, 0, 1."""
        rows = [[0, -1], [2, 1], [3, 0], [5, 9], [40, -9]]
        assert aggregate(MeaMed(), rows, tolerated=2).tolist() == pytest.approx([10 / 3, 0])

    @pytest.mark.parametrize("n", [3, 4, 7, 10])
    def test_equals_the_definition(self, n: int) -> None:
        rows = rows_of(n, n, 200)
        for count in range(n // 2 + 1, n + 1):
            away = (rows - torch.from_numpy(np.median(rows.numpy(), axis=0))).abs()
            nearest = away.argsort(dim=0, stable=True)[:count]
            torch.testing.assert_close(mean_near_median(rows, count, block=64), rows.gather(0, nearest).mean(0))

    def test_equal_values_below_do_not_push_out_nearer_ones_above(self) -> None:
        """Distances 1, 1, 0, 0.5, 3: the nearest four leave out 3; of three, one of the two at distance 1 stays."""
        rows = torch.tensor([[-1.0], [-1.0], [0.0], [0.5], [3.0]])
        assert mean_near_median(rows, 4).tolist() == [-0.375]
        assert mean_near_median(rows, 3).item() == pytest.approx(-0.5 / 3)

    def test_survives_cancellation(self, aggregate: Run) -> None:
        assert aggregate(MeaMed(), [[1e10], [1], [1], [1], [-1e10]], tolerated=2).tolist() == [1]


class TestGeometricMedian:
    def test_of_a_triangle_is_its_fermat_point(self, aggregate: Run) -> None:
        """Of an equilateral triangle the centre; of a triangle with an angle above 120 degrees its corner."""
        even = [[0, 0], [2, 0], [1, 3**0.5]]
        assert aggregate(GeometricMedian(iterations=None), even).tolist() == pytest.approx([1, 3**-0.5], abs=1e-4)
        flat = aggregate(GeometricMedian(nu=1e-6, iterations=None), [[-5, 0], [0, 1], [5, 0]])
        assert flat.tolist() == pytest.approx([0, 1], abs=1e-2)

    @pytest.mark.parametrize("seed", range(3))
    def test_no_point_nearby_is_better(self, seed: int, aggregate: Run) -> None:
        rows = rows_of(seed)
        best = aggregate(GeometricMedian(nu=1e-6, iterations=None), rows)
        cost = (rows - best).norm(dim=1).sum()
        for step in torch.cat([torch.eye(4), -torch.eye(4)]) * 0.02:
            assert (rows - best - step).norm(dim=1).sum() > cost

    def test_steps_equal_weiszfeld_by_hand(self, aggregate: Run) -> None:
        """On a line the majority nearest the most central row 1 is 0, 1, 3; from their mean 4/3 the weights are
        3/4, 3, 3/5, 3/17, 3/56; nu = 2 caps those of the first three at 1/2."""
        rows = [[0.0], [1.0], [3.0], [7.0], [20.0]]
        weights = np.array([3 / 4, 3, 3 / 5, 3 / 17, 3 / 56])
        expected = weights @ np.array(rows)[:, 0] / weights.sum()
        assert aggregate(GeometricMedian(iterations=1), rows).item() == pytest.approx(expected, rel=1e-5)
        weights[:3] = 1 / 2
        expected = weights @ np.array(rows)[:, 0] / weights.sum()
        assert aggregate(GeometricMedian(nu=2.0, iterations=1), rows).item() == pytest.approx(expected, rel=1e-5)

    @pytest.mark.parametrize("rule", [GeometricMedian(), GeometricMedian(nu=1e-6, iterations=None)])
    @pytest.mark.parametrize("outlier", [1e2, 1e6, 1e10, 1e20, 1e35])
    def test_far_rows_cost_no_precision(self, rule: GeometricMedian, outlier: float, aggregate: Run) -> None:
        """Two far rows in opposite directions: their pulls cancel, and the rest decides."""
        honest = rows_of(5, 7, 50)
        far = torch.full((1, 50), outlier)
        attacked = aggregate(rule, torch.cat([honest, far, -far]))
        alone = aggregate(GeometricMedian(nu=1e-6, iterations=None), honest)
        assert (attacked - alone).norm() < 0.35 * (honest - alone).norm(dim=1).mean()

    def test_rfa_is_the_geometric_median_until_it_settles(self) -> None:
        assert load("defenses", "rfa") is RFA
        rule = build_defense(resolve_defense("rfa", "test")).aggregator
        assert (rule.nu, rule.iterations) == (1e-6, None)

    def test_trust_is_the_weight(self, make_round: Run) -> None:
        rows = torch.tensor([[0.0], [1.0], [2.0], [50.0]])
        trust = GeometricMedian().aggregate(Upload(rows, (4, 5, 6, 7)), make_round(rows, peers=(4, 5, 6, 7))).trust
        assert sum(trust.values()) == pytest.approx(1)
        assert trust[7] < 0.05 < min(trust[4], trust[5], trust[6])


class TestBulyan:
    def test_equals_krum_repeated_on_what_is_left(self) -> None:
        for seed in range(10):
            distances, f = squared_distances(rows_of(seed, 11)), 2
            left, expected = list(range(11)), []
            while len(expected) < 11 - 2 * f:
                among = {i: sorted(float(distances[i, j]) for j in left if j != i) for i in left}
                near = max(1, len(left) - f - 2)
                expected.append(min(left, key=lambda i: (sum(among[i][:near]), sum(among[i]))))
                left.remove(expected[-1])
            chosen = krum_in_turn(distances, 11 - 2 * f, f)
            assert chosen == expected
            assert len(set(chosen)) == 7

    def test_result_is_the_middle_of_the_chosen(self, make_round: Run) -> None:
        rows, peers = rows_of(3, 11), tuple(range(10, 21))
        result = Bulyan().aggregate(Upload(rows, peers), make_round(rows, tolerated=2, peers=peers, population=30))
        chosen = [i for i, peer in enumerate(peers) if result.trust[peer] == 1]
        assert len(chosen) == 7
        away = (rows[chosen] - rows[chosen].median(0).values).abs()
        torch.testing.assert_close(result.vector, rows[chosen].gather(0, away.argsort(dim=0)[:3]).mean(0))

    def test_chooses_distinct_rows_even_when_all_are_alike(self) -> None:
        for n, f in ((7, 1), (11, 2), (15, 3)):
            assert sorted(krum_in_turn(torch.zeros(n, n, dtype=torch.float64), n - 2 * f, f)) == list(range(n - 2 * f))

    def test_needs_4f_plus_3(self) -> None:
        assert Bulyan().unfit(10, 2, TASK) == "needs at least 4 f + 3 = 11 uploads to tolerate f = 2 attackers, has 10"
        assert Bulyan().unfit(11, 2, TASK) is None


def best_subset(rows: torch.Tensor, f: int, spread: Callable[[np.ndarray], tuple[float, ...]]) -> np.ndarray:
    subsets = [list(s) for s in combinations(range(len(rows)), len(rows) - f)]
    values = rows.double().numpy()
    return values[min(subsets, key=lambda s: spread(values[s]))].mean(0)


class TestSubsets:
    @pytest.mark.parametrize("seed", range(5))
    def test_mda_equals_brute_force(self, seed: int, aggregate: Run) -> None:
        def diameter(rows: np.ndarray) -> tuple[float, ...]:
            between = ((rows[:, None] - rows[None]) ** 2).sum(2)
            return float(between.max()), float(between.sum())

        rows = rows_of(seed, 8)
        np.testing.assert_allclose(aggregate(MDA(), rows, tolerated=3), best_subset(rows, 3, diameter), atol=1e-5)

    @pytest.mark.parametrize("seed", range(5))
    def test_smea_equals_brute_force(self, seed: int, aggregate: Run) -> None:
        def variance(rows: np.ndarray) -> tuple[float, ...]:
            return (float(np.linalg.eigvalsh(np.cov(rows.T, bias=True))[-1]),)

        rows = rows_of(seed, 8)
        np.testing.assert_allclose(aggregate(SMEA(), rows, tolerated=3), best_subset(rows, 3, variance), atol=1e-5)

    def test_by_hand(self, aggregate: Run) -> None:
        """Of four points on a line, without one: 0, 1, 3 has diameter 3, and 1, 3, 3.5 has 2.5."""
        for rule in (MDA(), SMEA()):
            assert aggregate(rule, [[0.0], [1.0], [3.0], [3.5]], tolerated=1).item() == pytest.approx(2.5)

    def test_several_blocks_are_as_good_as_one(self, monkeypatch: pytest.MonkeyPatch, aggregate: Run) -> None:
        import fflbench.defenses.aggregation.subsets as module

        whole, cut = aggregate(MDA(), rows_of(0), tolerated=3), module.subsets
        monkeypatch.setattr(module, "subsets", lambda n, size: cut(n, size, entries=200))
        assert len(list(module.subsets(9, 6))) > 10
        assert torch.equal(whole, aggregate(MDA(), rows_of(0), tolerated=3))

    def test_too_many_subsets_are_refused(self) -> None:
        line = "would try 4,845 subsets of 20 uploads without f = 4, limit is 1,000"
        assert MDA(limit=1000).unfit(20, 4, TASK) == line
        assert SMEA(limit=1000).unfit(20, 4, TASK) == line
        assert MDA().unfit(20, 4, TASK) is None
        assert "subsets of 50 uploads" in str(SMEA().unfit(50, 10, TASK))


class TestMoNNA:
    def test_by_hand(self, make_round: Run) -> None:
        """Nearest to peer 7's row 3: 3, 1 and 7; it trusts whoever is near."""
        rows = torch.tensor([[1.0], [3.0], [7.0], [20.0]])
        result = MoNNA(trusted=7).aggregate(Upload(rows, (5, 7, 8, 9)), make_round(rows, tolerated=1, peers=(5, 7, 8, 9)))
        assert result.vector.item() == pytest.approx(11 / 3)
        assert result.trust == {5: 1, 7: 1, 8: 1, 9: 0}

    def test_the_median_stands_in_for_a_lost_upload(self, make_round: Run) -> None:
        rows = torch.tensor([[1.0], [3.0], [20.0]])
        result = MoNNA(trusted=7).aggregate(Upload(rows, (5, 8, 9)), make_round(rows, tolerated=1, peers=(5, 8, 9)))
        assert result.vector.item() == 2

    def test_the_trusted_peer_takes_part_in_every_round(self) -> None:
        for index in range(10):
            selected = MoNNA(trusted=3).select(range(8), 4, index, Rng(index))
            assert 3 in selected
            assert len(set(selected)) == 4
            assert list(selected) == sorted(selected)

    def test_refuses_a_peer_that_is_not_there(self) -> None:
        from dataclasses import replace

        task = replace(TASK, peers=10)
        assert MoNNA(trusted=10).unfit(10, 2, task) == "trusted: found 10, needs a peer from 0 to 9"
        assert MoNNA(trusted=9).unfit(10, 2, task) is None


class TestCAF:
    @pytest.mark.parametrize("seed", range(5))
    def test_equals_the_filter_on_the_full_covariance(self, seed: int, aggregate: Run) -> None:
        rows, f = rows_of(seed).double().numpy(), 3
        c, best, least = np.ones(9), rows.mean(0), np.inf
        while c.sum() > 9 - 2 * f:
            mu = c @ rows / c.sum()
            values, vectors = np.linalg.eigh((c[:, None] * (rows - mu)).T @ (rows - mu) / c.sum())
            if values[-1] < least:
                best, least = mu, values[-1]
            tau = ((rows - mu) @ vectors[:, -1]) ** 2
            c = c * (1 - tau / tau[c > 0].max()).clip(0)
        np.testing.assert_allclose(aggregate(CAF(), rows, tolerated=f), best, atol=1e-5)

    def test_a_far_row_loses_its_weight(self, make_round: Run) -> None:
        rows = torch.cat([rows_of(0, 8, 30), torch.full((1, 30), 1e8)])
        result = CAF().aggregate(Upload(rows, tuple(range(9))), make_round(rows, tolerated=2))
        assert result.trust[8] == 0
        assert result.vector.norm() < rows[:8].norm(dim=1).max()
