"""Scores of texts, tables and membership against values worked out by hand."""

from __future__ import annotations

import pytest
import torch

from fflbench.metric import Outcome
from fflbench.metrics.images import BestPsnr, Psnr
from fflbench.metrics.membership import MembershipAuc, area_under_curve
from fflbench.metrics.tables import FeatureRecovery, match_rows, nearest, right_features
from fflbench.metrics.texts import TokenAccuracy, TokenRecovery, common_tokens, match_texts, right_positions

TEXT = torch.tensor([0, 0, 5, 7, 7, 9])
"""Two of padding, then four tokens."""


class TestTexts:
    @pytest.mark.parametrize(
        ("guess", "common", "placed"),
        [
            ([0, 0, 5, 7, 7, 9], 4, 4),
            ([0, 0, 9, 7, 5, 7], 4, 1),
            ([7, 7, 7, 7, 7, 7], 2, 2),
            ([0, 0, 0, 0, 0, 0], 0, 0),
            ([1, 2, 3, 4, 6, 8], 0, 0),
        ],
    )
    def test_tokens_by_hand(self, guess: list[int], common: int, placed: int) -> None:
        assert common_tokens(TEXT, torch.tensor(guess)) == common
        assert right_positions(TEXT, torch.tensor(guess)) == placed

    def test_the_share_is_of_what_is_not_padding(self) -> None:
        outcome = Outcome(kind="text", originals=TEXT[None], guesses=torch.tensor([[0, 0, 5, 7, 3, 3]]))
        assert TokenRecovery().compute(outcome) == 50
        assert TokenAccuracy().compute(outcome) == 50

    def test_texts_are_matched_whatever_their_order_and_number(self) -> None:
        originals = torch.tensor([[5, 6, 7], [8, 9, 9]])
        guesses = torch.tensor([[9, 9, 9], [1, 1, 1], [7, 6, 5]])
        assert match_texts(originals, guesses).tolist() == [2, 0]

    def test_other_kinds_have_no_tokens(self) -> None:
        assert TokenRecovery().compute(Outcome(originals=torch.zeros(1, 1, 2, 2), guesses=torch.zeros(1, 1, 2, 2))) is None


class TestTables:
    LEVELS = ((), (-1.0, 0.0, 2.0))

    def test_numbers_within_a_third_of_a_deviation_and_categories_exactly(self) -> None:
        original = torch.tensor([[1.0, 0.0]])
        guesses = torch.tensor([[1.3, 0.9], [1.4, 0.9], [1.3, 1.1], [0.0, -0.6]])
        right = [right_features(original, guess[None], self.LEVELS, None)[0].tolist() for guess in guesses]
        assert right == [[True, True], [False, True], [True, False], [False, False]]

    def test_the_tolerance_is_in_the_features_own_deviations(self) -> None:
        wide = right_features(torch.zeros(1, 1), torch.full((1, 1), 3.0), (), torch.tensor([10.0]))
        assert wide.tolist() == [[True]]

    def test_the_share_over_all_features(self) -> None:
        outcome = Outcome(kind="tabular", originals=torch.tensor([[1.0, 0.0]]), guesses=torch.tensor([[9.0, 0.1]]),
                          levels=self.LEVELS)  # fmt: skip
        assert FeatureRecovery().compute(outcome) == 50

    def test_rows_are_matched_by_what_is_right(self) -> None:
        originals = torch.tensor([[0.0, 2.0], [5.0, -1.0]])
        guesses = torch.tensor([[5.1, -0.9], [9.0, 9.0], [0.1, 1.8]])
        assert match_rows(originals, guesses, self.LEVELS, None).tolist() == [2, 0]

    def test_nearest_level_by_hand(self) -> None:
        assert nearest(torch.tensor([-5.0, -0.4, 1.1]), (-1.0, 0.0, 2.0)).tolist() == [0, 1, 2]


class TestMembership:
    def test_pairs_by_hand(self) -> None:
        scores, members = torch.tensor([0.9, 0.2, 0.5, 0.5]), torch.tensor([True, False, True, False])
        assert area_under_curve(scores, members) == (1 + 1 + 1 + 0.5) / 4

    def test_one_kind_only_has_no_area(self) -> None:
        assert area_under_curve(torch.tensor([1.0]), torch.tensor([True])) is None

    def test_what_is_not_a_number_is_least(self) -> None:
        scores, members = torch.tensor([float("nan"), 0.0]), torch.tensor([True, False])
        assert area_under_curve(scores, members) == 0
        assert MembershipAuc().compute(Outcome(membership=scores, members=members)) == 0


def test_the_best_image_of_a_batch_counts_beside_the_mean() -> None:
    originals = torch.zeros(2, 1, 12, 12)
    guesses = torch.stack([torch.full((1, 12, 12), 0.1), torch.full((1, 12, 12), 1.0)])
    outcome = Outcome(originals=originals, guesses=guesses)
    assert Psnr().compute(outcome) == pytest.approx(10, abs=1e-4)
    assert BestPsnr().compute(outcome) == pytest.approx(20, abs=1e-4)
    assert BestPsnr().compute(Outcome(kind="tabular", originals=originals, guesses=guesses)) is None
