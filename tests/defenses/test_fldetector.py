"""FLDetector: its Hessian against a real one, its clustering against brute force, and attackers that it finds."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from fflbench.contracts import Layout, Parameter, Round, Upload
from fflbench.defenses.aggregation.fldetector import FLDetector, hessian_times
from fflbench.defenses.aggregation.gap import is_split, upper_group, within
from tests.conftest import TASK

MakeRound = Callable[..., Round]


def bfgs(changes: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    """The same Hessian by its recurrence, from sigma I."""
    s, y = changes[-1]
    found = (s @ y) / (s @ s) * torch.eye(len(s), dtype=torch.float64)
    for s, y in changes:
        bs = found @ s
        found = found - torch.outer(bs, bs) / (s @ bs) + torch.outer(y, y) / (s @ y)
    return found


class TestHessian:
    @pytest.mark.parametrize("count", [1, 2, 4])
    def test_equals_the_recurrence(self, count: int) -> None:
        generator = torch.Generator().manual_seed(count)
        root = torch.randn(6, 6, generator=generator, dtype=torch.float64)
        steps = torch.randn(count, 6, generator=generator, dtype=torch.float64)
        changes = [(s, root @ root.T @ s) for s in steps]
        vector = torch.randn(6, generator=generator, dtype=torch.float64)
        torch.testing.assert_close(hessian_times(vector, changes), bfgs(changes) @ vector)

    def test_knows_what_the_last_step_did(self) -> None:
        """The secant equation: the change that was seen is reproduced."""
        changes = [
            (torch.tensor([1.0, 2, 0]), torch.tensor([2.0, 3, 1])),
            (torch.tensor([0.0, 1, 1]), torch.tensor([1.0, 4, 2])),
        ]
        torch.testing.assert_close(hessian_times(changes[-1][0], changes), changes[-1][1], atol=1e-4, rtol=1e-4)

    def test_without_positive_curvature_nothing_is_known(self) -> None:
        changes = [(torch.ones(3), -torch.ones(3)), (torch.zeros(3), torch.ones(3))]
        assert hessian_times(torch.ones(3), changes).tolist() == [0, 0, 0]


class TestClustering:
    def test_two_means_equal_brute_force(self) -> None:
        for seed in range(10):
            values = np.random.default_rng(seed).normal(size=7)
            costs = {}
            for bits in product([False, True], repeat=7):
                one = np.array(bits)
                if 0 < one.sum() < 7:
                    costs[bits] = sum(((part - part.mean()) ** 2).sum() for part in (values[one], values[~one]))
            assert within(values)[1] == pytest.approx(min(costs.values()))
            assert costs[tuple(upper_group(values).tolist())] == pytest.approx(min(costs.values()))

    def test_the_upper_group_is_the_upper(self) -> None:
        assert upper_group(np.array([0.1, 5.0, 0.2, 4.0])).tolist() == [False, True, False, True]
        assert upper_group(np.ones(3)).tolist() == [True, True, True]

    def test_tells_two_clusters_from_one(self) -> None:
        generator = np.random.default_rng(0)
        two = [is_split(np.r_[generator.normal(0, 1, 8), generator.normal(20, 1, 2)], generator) for _ in range(50)]
        one = [is_split(generator.random(10), generator) for _ in range(50)]
        assert np.mean(two) > 0.95
        assert np.mean(one) < 0.35

    def test_equal_or_few_values_are_one_cluster(self) -> None:
        generator = np.random.default_rng(0)
        for values in (np.zeros(8), np.full(8, 0.125), np.array([0.0, 1.0])):
            assert not is_split(values, generator)


def play(
    rule: FLDetector, make_round: MakeRound, rounds: int, attackers: tuple[int, ...], n: int = 10
) -> list[dict[int, float]]:
    """Peers descend a quadratic with some noise; the attackers send noise of the same length instead."""
    generator = torch.Generator().manual_seed(7)
    model, goal, curvature = torch.zeros(30), torch.randn(30, generator=generator) * 5, torch.linspace(0.5, 1.5, 30)
    trust = []
    for index in range(rounds):
        rows = 0.1 * curvature * (goal - model) + 0.02 * torch.randn(n, 30, generator=generator)
        for i in attackers:
            noise = torch.randn(30, generator=generator)
            rows[i] = noise / noise.norm() * rows[i].norm()
        round_ = make_round(rows, index=index)
        round_.global_vector = model.clone()
        result = rule.aggregate(Upload(rows, tuple(range(n))), round_)
        model = model + result.vector
        trust.append(result.trust)
    return trust


class TestFLDetector:
    def test_finds_planted_attackers_and_leaves_them_out(self, make_round: MakeRound) -> None:
        rule = FLDetector(window=4, start=5)
        trust = play(rule, make_round, 8, attackers=(2, 7))
        assert rule.suspects == {2, 7}
        assert trust[-1][2] == trust[-1][7] == -1
        assert min(value for peer, value in trust[-1].items() if peer not in (2, 7)) > -1
        assert max(trust[4][2], trust[4][7]) < min(trust[4][peer] for peer in range(10) if peer not in (2, 7))
        rows = torch.ones(3, 30)
        rows[1] = 1e10
        result = rule.aggregate(Upload(rows, (0, 2, 5)), make_round(rows, index=8, peers=(0, 2, 5), population=10))
        assert result.vector.tolist() == [1] * 30

    def test_looks_no_earlier_than_it_was_told(self, make_round: MakeRound) -> None:
        rule = FLDetector(window=2, start=7)
        play(rule, make_round, 7, attackers=(2,))
        assert rule.suspects == set()

    def test_begins_afresh_after_it_has_found_somebody(self, make_round: MakeRound) -> None:
        rule = FLDetector(window=4, start=5)
        play(rule, make_round, 6, attackers=(2, 7))
        assert rule.suspects == {2, 7}
        assert rule.scored == 0

    def test_rounds_in_which_only_suspects_or_strangers_upload(self, make_round: MakeRound) -> None:
        rule = FLDetector(window=2, start=3)
        rule.suspects = {4}
        rows = torch.ones(1, 6)
        alone = rule.aggregate(Upload(rows, (4,)), make_round(rows, peers=(4,), population=9))
        assert alone.vector.tolist() == [0] * 6
        assert alone.trust == {4: -1}
        for index, peer in enumerate((0, 1, 2, 3)):
            result = rule.aggregate(Upload(rows, (peer,)), make_round(rows, index=index, peers=(peer,), population=9))
            assert result.vector.tolist() == [1] * 6

    def test_a_copy_for_rehearsal_is_its_own(self, make_round: MakeRound) -> None:
        rule = FLDetector(window=3, start=20)
        play(rule, make_round, 6, attackers=())
        before, trial = copy.deepcopy(rule), copy.deepcopy(rule)
        rows = torch.randn(10, 30)
        trial.aggregate(Upload(rows, tuple(range(10))), make_round(rows, index=6))
        assert trial.scored == rule.scored + 1
        assert {peer: list(scores) for peer, scores in rule.scores.items()} == {p: list(s) for p, s in before.scores.items()}

    def test_batch_norm_statistics_take_the_median(self, make_round: MakeRound) -> None:
        rows = torch.tensor([[1.0, 1], [3, 2], [2, 90]])
        round_ = make_round(rows)
        round_.layout = Layout((Parameter("w", (1,), 0, 1, True), Parameter("running", (1,), 1, 1, False)))
        assert FLDetector().aggregate(Upload(rows, (0, 1, 2)), round_).vector.tolist() == [2, 2]

    def test_a_task_too_short_to_find_anybody_is_refused(self) -> None:
        line = "looks for attackers from round 50 on, the task has 40; give a smaller start or window"
        assert FLDetector().unfit(10, 2, replace(TASK, rounds=40)) == line
        assert FLDetector().unfit(10, 2, replace(TASK, rounds=51)) is None
        assert "from round 11 on" in str(FLDetector(start=0).unfit(10, 2, replace(TASK, rounds=5)))
