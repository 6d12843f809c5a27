"""Rules that go by signs, lengths and directions, against values worked out by hand; batch-norm statistics stay themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from fflbench.contracts import Layout, Parameter, Round, UnfitError, Upload
from fflbench.defenses.aggregation.centered_clipping import CenteredClipping
from fflbench.defenses.aggregation.dnc import DivideAndConquer, outlier_scores
from fflbench.defenses.aggregation.flame import FLAME, cosine_distances, majority_cluster
from fflbench.defenses.aggregation.fltrust import FLTrust
from fflbench.defenses.aggregation.norm_clipping import NormClipping
from fflbench.defenses.aggregation.residual_reweighting import ResidualReweighting
from fflbench.defenses.aggregation.rlr import RobustLearningRate
from fflbench.defenses.aggregation.sign_majority import SignMajority
from fflbench.defenses.aggregation.signguard import SignGuard, largest_cluster, sign_shares
from tests.conftest import TASK

Run = Callable[..., torch.Tensor]
MakeRound = Callable[..., Round]


def with_buffer(make_round: MakeRound, rows: torch.Tensor, **settings: object) -> tuple[Upload, Round]:
    """Rows whose last entry is a batch-norm statistic."""
    round_, d = make_round(rows, **settings), rows.shape[1]
    round_.layout = Layout((Parameter("w", (d - 1,), 0, d - 1, True), Parameter("running", (1,), d - 1, 1, False)))
    return Upload(rows, round_.peers), round_


class TestCenteredClipping:
    def test_by_hand_over_rounds(self, make_round: MakeRound) -> None:
        """tau 1: from 0 each row pulls by 1: (1 + 1 - 1) / 3; then from 1/3 again, unless it is nearer."""
        rule, rows = CenteredClipping(tau=1.0), torch.tensor([[3.0], [2.0], [-9.0]])
        upload, round_ = Upload(rows, (0, 1, 2)), make_round(rows)
        assert rule.aggregate(upload, round_).vector.item() == pytest.approx(1 / 3)
        assert rule.aggregate(upload, round_).vector.item() == pytest.approx(2 / 3)
        near = torch.tensor([[1.0], [1.0], [1.0]])
        assert rule.aggregate(Upload(near, (0, 1, 2)), make_round(near)).vector.item() == pytest.approx(1)

    def test_iterations_are_rounds_on_the_same_rows(self, aggregate: Run, make_round: MakeRound) -> None:
        rows, rule = torch.randn(5, 3) * 9, CenteredClipping(tau=1.0)
        for _ in range(3):
            last = rule.aggregate(Upload(rows, tuple(range(5))), make_round(rows)).vector
        torch.testing.assert_close(aggregate(CenteredClipping(tau=1.0, iterations=3), rows), last)

    def test_an_attacker_pulls_by_tau_over_n_at_most(self, aggregate: Run) -> None:
        honest = torch.randn(9, 20)
        for outlier in (1e2, 1e6, 1e10):
            rows = torch.cat([honest, torch.full((1, 20), outlier)])
            moved = aggregate(CenteredClipping(tau=10.0), rows) - honest.sum(0) / 10
            assert moved.norm().item() == pytest.approx(1, abs=1e-3)


class TestNormClipping:
    def test_by_hand(self, aggregate: Run) -> None:
        """Norms 5, 1, 10: the median norm is 5, so the last row is halved."""
        rows = [[3, 4], [0, 1], [6, 8]]
        assert aggregate(NormClipping(), rows).tolist() == pytest.approx([2, 3])
        assert aggregate(NormClipping(norm=1.0), rows).tolist() == pytest.approx([0.4, (0.8 + 1 + 0.8) / 3])

    def test_noise_has_its_size_and_is_drawn_anew_each_round(self, aggregate: Run) -> None:
        rows = torch.zeros(3, 20_000)
        noisy = aggregate(NormClipping(noise=0.5), rows)
        assert noisy.std().item() == pytest.approx(0.5, rel=0.03)
        assert torch.equal(noisy, aggregate(NormClipping(noise=0.5), rows))
        assert not torch.equal(noisy, aggregate(NormClipping(noise=0.5), rows, index=1))

    @pytest.mark.parametrize("outlier", [1e6, 1e10, 1e30])
    def test_a_shouting_row_counts_like_the_others(self, outlier: float, aggregate: Run) -> None:
        rows = torch.cat([torch.ones(4, 4), torch.full((1, 4), -outlier)])
        assert aggregate(NormClipping(), rows).tolist() == pytest.approx([0.6] * 4)


class TestSigns:
    def test_majority_by_hand(self, aggregate: Run) -> None:
        rows = [[1, -2, 0, 5], [9, -1, 0, -5], [-1, 1, 3, 0]]
        assert aggregate(SignMajority(step=0.5), rows).tolist() == [0.5, -0.5, 0.5, 0]

    def test_without_a_step_it_is_as_long_as_the_median_upload(self, aggregate: Run) -> None:
        rows = torch.randn(5, 100)
        assert aggregate(SignMajority(), rows).norm().item() == pytest.approx(rows.norm(dim=1).median().item(), rel=1e-5)
        assert aggregate(SignMajority(), torch.zeros(3, 4)).tolist() == [0, 0, 0, 0]

    def test_rlr_by_hand(self, aggregate: Run) -> None:
        """Sums of signs 4, 2, 0, -4: all but the second and third reach 3."""
        rows = [[1, 1, 1, -1], [1, 1, 1, -1], [1, 1, -1, -1], [1, -1, -1, -5]]
        assert aggregate(RobustLearningRate(threshold=3), rows).tolist() == [1, -0.5, 0, -2]
        assert aggregate(RobustLearningRate(), rows, tolerated=1).tolist() == [1, 0.5, 0, -2]
        assert aggregate(RobustLearningRate(threshold=9), rows[:1]).tolist() == [1, 1, 1, -1]

    def test_rlr_refuses_a_threshold_that_nobody_reaches(self) -> None:
        assert RobustLearningRate(threshold=9).unfit(8, 1, TASK) == "threshold: found 9, needs at most 8 with 8 uploads"
        assert RobustLearningRate().unfit(8, 2, TASK) is None


class TestBatchNormStatistics:
    """Three trained entries, one statistic: 1, 2 and 30 (or 30 from an attacker that the rule rejects)."""

    ROWS = torch.tensor([[1.0, 1, 1, 1], [1, 1, 1, 2], [1, 1, 1, 30]])

    @pytest.mark.parametrize(
        "rule",
        [SignMajority(), RobustLearningRate(), NormClipping(), CenteredClipping(), SignGuard(), FLAME()],
        ids=lambda rule: type(rule).__name__,
    )
    def test_take_the_median(self, rule: object, make_round: MakeRound) -> None:
        upload, round_ = with_buffer(make_round, self.ROWS)
        result = rule.aggregate(upload, round_).vector
        assert result[3] == 2
        assert result[:3].tolist() == pytest.approx([1, 1, 1], abs=0.02)

    def test_never_get_noise(self, make_round: MakeRound) -> None:
        """A variance that noise made negative is not a number in the next forward pass."""
        for rule in (NormClipping(noise=9.0), FLAME(noise=9.0)):
            upload, round_ = with_buffer(make_round, self.ROWS)
            result = rule.aggregate(upload, round_).vector
            assert result[3] == 2
            assert result[0] != 1


class TestResidualReweighting:
    def test_confidence_equals_the_definition(self) -> None:
        rows = torch.from_numpy(np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32))
        rows[3] = 40
        confidence, repaired = ResidualReweighting().judged(rows)
        for k in range(5):
            y = rows[:, k].double().numpy()
            x = np.argsort(np.argsort(y)).astype(float)
            slope = np.median([np.median([(y[j] - y[i]) / (x[j] - x[i]) for j in range(7) if j != i]) for i in range(7)])
            line = np.median(y - slope * x) + slope * x
            residual = y - line
            tau = 1.4826 * (1 + 5 / 6) * np.median(np.sort(np.abs(residual))[1:])
            h = 1 / 7 + (x - 3) ** 2 / ((x - 3) ** 2).sum()
            e, bound = residual / tau, 2 * np.sqrt(2 / 7)
            with np.errstate(invalid="ignore", divide="ignore"):
                weight = np.nan_to_num(np.sqrt(1 - h) / e * np.clip(e / np.sqrt(1 - h), -bound, bound), nan=1)
            np.testing.assert_allclose(confidence[:, k], weight, atol=1e-4)
            np.testing.assert_allclose(repaired[:, k], np.where(weight < 0.1, line, y), atol=1e-4)

    def test_peers_weigh_by_their_confidence(self, make_round: MakeRound) -> None:
        rows = torch.randn(8, 200)
        rows[5] += 30
        result = ResidualReweighting().aggregate(Upload(rows, tuple(range(8))), make_round(rows))
        assert min(result.trust, key=result.trust.get) == 5
        assert max(result.trust.values()) == 1
        assert result.vector.abs().max() < 6

    def test_constant_columns_and_few_rows(self, aggregate: Run) -> None:
        assert aggregate(ResidualReweighting(), [[2, 0]] * 5).tolist() == [2, 0]
        assert aggregate(ResidualReweighting(), [[2, 0], [4, 2]]).tolist() == [3, 1]
        assert aggregate(ResidualReweighting(), [[2, 7]]).tolist() == [2, 7]

    def test_works_in_blocks(self, aggregate: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = torch.randn(7, 50)
        whole = aggregate(ResidualReweighting(), rows)
        monkeypatch.setattr(ResidualReweighting, "block", 8)
        torch.testing.assert_close(whole, aggregate(ResidualReweighting(), rows))


class TestDivideAndConquer:
    def test_scores_equal_the_singular_value_decomposition(self) -> None:
        for seed in range(5):
            rows = np.random.default_rng(seed).normal(size=(6, 40))
            centred = rows - rows.mean(0)
            direction = np.linalg.svd(centred)[2][0]
            found = outlier_scores(torch.from_numpy(rows.astype(np.float32))).numpy()
            np.testing.assert_allclose(found, (centred @ direction) ** 2, rtol=1e-3, atol=1e-4)

    def test_drops_the_farthest_and_means_the_rest(self, make_round: MakeRound) -> None:
        rows = torch.cat([torch.randn(8, 30), torch.randn(2, 30) + 9])
        for rule in (DivideAndConquer(), DivideAndConquer(iterations=5, coordinates=10)):
            result = rule.aggregate(Upload(rows, tuple(range(10))), make_round(rows, tolerated=2))
            assert result.trust[8] == result.trust[9] == 0
            kept = [i for i in range(10) if result.trust[i] == 1]
            torch.testing.assert_close(result.vector, rows[kept].mean(0))

    def test_without_attackers_it_is_the_mean(self, aggregate: Run) -> None:
        rows = torch.randn(6, 30)
        torch.testing.assert_close(aggregate(DivideAndConquer(), rows), rows.mean(0))

    def test_somebody_is_always_left(self, aggregate: Run) -> None:
        rows = torch.randn(5, 30)
        assert torch.isfinite(aggregate(DivideAndConquer(iterations=20, coordinates=2, share=9.0), rows, tolerated=2)).all()


class TestSignGuard:
    def test_the_shares_of_signs(self) -> None:
        rows = torch.tensor([[1.0, 7, -1, 0, 2], [0, 7, 0, 0, 0]])
        assert sign_shares(rows, torch.tensor([0, 2, 3, 4])).tolist() == [[0.5, 0.25, 0.25], [0, 1, 0]]

    def test_filters_by_norm_and_by_signs(self, make_round: MakeRound) -> None:
        """Peers 0-6 are mostly positive; 7 is flipped, 8 far too long, 9 far too short."""
        rows = torch.randn(10, 2000, generator=torch.Generator().manual_seed(0)) + 0.5
        rows[7] *= -1
        rows[8] *= 10
        rows[9] *= 0.01
        result = SignGuard().aggregate(Upload(rows, tuple(range(10))), make_round(rows))
        assert [peer for peer, kept in result.trust.items() if not kept] == [7, 8, 9]
        norm = float(rows.norm(dim=1).median())
        short = rows[:7] * (norm / rows[:7].norm(dim=1, keepdim=True)).clamp(max=1)
        torch.testing.assert_close(result.vector, short.mean(0), atol=1e-3, rtol=1e-3)

    def test_points_that_do_not_differ_are_one_cluster(self) -> None:
        assert largest_cluster(np.ones((5, 3)) / 3).all()
        assert largest_cluster(np.ones((1, 3)) / 3).all()

    def test_refuses_bounds_that_keep_nobody(self) -> None:
        assert SignGuard(least=3.0).unfit(10, 2, TASK) == "least: found 3, needs less than most = 3"


class TestFLTrust:
    ROWS = torch.tensor([[2.0, 0, 1], [0, 3, 1], [-5, 0, 1], [4, 4, 1]])

    def test_by_hand(self, make_round: MakeRound) -> None:
        """Own update (1, 0): scores 1, 0, 0 and 1/sqrt 2 (the third entry is a statistic)."""
        upload, round_ = with_buffer(make_round, self.ROWS)
        round_.root_update = lambda: torch.tensor([1.0, 0, 7])
        result = FLTrust().aggregate(upload, round_)
        r = 2**-0.5
        assert list(result.trust.values()) == pytest.approx([1, 0, 0, r])
        assert result.vector.tolist() == pytest.approx([(1 + r * r) / (1 + r), r * r / (1 + r), 1])

    def test_nobody_trusted_nothing_moves(self, make_round: MakeRound) -> None:
        upload, round_ = with_buffer(make_round, self.ROWS)
        for own in ([-1.0, -1.0, 0.0], [0.0, 0.0, 0.0]):
            round_.root_update = lambda own=own: torch.tensor(own)
            rows = replace(upload, rows=self.ROWS[[0, 1]], peers=(0, 1))
            assert FLTrust().aggregate(rows, round_).vector.tolist() == [0, 0, 0]

    def test_a_zero_row_has_no_trust(self, make_round: MakeRound) -> None:
        rows = torch.tensor([[0.0, 0], [2, 0]])
        round_ = make_round(rows)
        round_.root_update = lambda: torch.tensor([3.0, 0])
        result = FLTrust().aggregate(Upload(rows, (0, 1)), round_)
        assert result.trust == {0: 0, 1: 1}
        assert result.vector.tolist() == pytest.approx([3, 0])

    def test_says_which_setting_it_needs(self, make_round: MakeRound) -> None:
        assert "set root_examples" in str(FLTrust().unfit(10, 2, TASK))
        assert FLTrust().unfit(10, 2, replace(TASK, root_examples=50)) is None
        rows = torch.ones(2, 2)
        with pytest.raises(UnfitError, match="root_examples"):
            FLTrust().aggregate(Upload(rows, (0, 1)), make_round(rows))


class TestFLAME:
    def test_distances_are_those_of_the_local_models(self) -> None:
        rows, model = torch.tensor([[1.0, 0], [0, 1], [-2, -1]]), torch.tensor([1.0, 1])
        local = (rows + model).numpy()
        unit = local / np.linalg.norm(local, axis=1, keepdims=True)
        np.testing.assert_allclose(cosine_distances(rows, -model), 1 - unit @ unit.T, atol=1e-7)

    def test_keeps_the_majority_and_clips_it(self, make_round: MakeRound) -> None:
        rows = torch.randn(10, 500, generator=torch.Generator().manual_seed(0)) * 0.1 + 1
        rows[[2, 6]] *= -1
        rows[5] *= 3
        round_ = make_round(rows)
        result = FLAME(noise=0.0).aggregate(Upload(rows, tuple(range(10))), round_)
        assert result.trust[2] == result.trust[6] == 0
        kept = [i for i in range(10) if result.trust[i]]
        assert len(kept) >= 6
        norms = rows.norm(dim=1)
        usual = (norms.sort().values[4] + norms.sort().values[5]) / 2
        torch.testing.assert_close(result.vector, (rows[kept] * (usual / norms[kept]).clamp(max=1)[:, None]).mean(0))

    def test_noise_follows_the_median_norm(self, aggregate: Run) -> None:
        rows = torch.ones(5, 10_000)
        assert (aggregate(FLAME(noise=0.01), rows) - 1).std().item() == pytest.approx(1, rel=0.05)

    def test_without_a_cluster_everybody_is_kept(self) -> None:
        far = np.ones((6, 6)) - np.eye(6)
        assert majority_cluster(far).sum() >= 4
        assert majority_cluster(np.zeros((5, 5))).all()
        for n in (1, 2):
            assert majority_cluster(np.ones((n, n))).all()
