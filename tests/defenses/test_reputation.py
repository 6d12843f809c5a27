"""FFL's scores, reputations and weights, step by step against FFL's formulas worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fflbench.contracts import Rng, Upload
from fflbench.defenses.ffl.reputation import Reputation, lower_quartile, quartile_among_zeros, similarity
from tests.conftest import flat_layout

# Four uploads of three entries, the last two of which are the output layer.
ROWS = torch.tensor([[-3.0, -4.0, 0.0], [0.0, -6.0, 0.0], [0.0, 0.0, -8.0], [0.0, 9.0, 0.0]])
# delta = -row. Norms 5, 6, 8, 9; lower median 6; distances 1, 0, 2, 3; d = 1 - distance / 3.
NEARNESS = [2 / 3, 1.0, 1 / 3, 0.0]
# Output layers (4, 0), (6, 0), (0, 8), (-9, 0); coordinate-wise lower median (0, 0) of (-9, 0, 4, 6) and (0, 0, 0, 8).


def test_scores_with_a_vanishing_centroid_rest_on_the_norm() -> None:
    """A centroid of (0, 0) has cosine 0 with everything, so cs = 1/2 for all."""
    raw = [0.2 * d + 0.8 * 0.5 for d in NEARNESS]
    expected = np.array(raw) - np.quantile(raw, 0.25)
    np.testing.assert_allclose(similarity(ROWS, flat_layout(3, last_layer=2)).numpy(), expected, atol=1e-12)


def test_scores_by_hand() -> None:
    """Three uploads; output layers of delta (1, 0), (1, 1), (0, 1): lower median (1, 1), cosines 1/sqrt 2, 1, 1/sqrt 2.
    Norms of delta (2, 1, 0): sqrt 5, (0, 1, 1): sqrt 2, (2, 0, 1): sqrt 5; median sqrt 5."""
    rows = -torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 1.0], [2.0, 0.0, 1.0]])
    half = (1 / 2**0.5 + 1) / 2
    raw = [0.2 * 1 + 0.8 * half, 0.2 * 0 + 0.8 * 1, 0.2 * 1 + 0.8 * half]
    expected = np.array(raw) - np.quantile(raw, 0.25)
    np.testing.assert_allclose(similarity(rows, flat_layout(3, last_layer=2)).numpy(), expected, atol=1e-7)


def test_equal_uploads_score_zero() -> None:
    assert similarity(torch.ones(4, 5), flat_layout(5, last_layer=2)).tolist() == [0, 0, 0, 0]
    assert similarity(torch.zeros(3, 5), flat_layout(5, last_layer=2)).tolist() == [0, 0, 0]


def test_reputations_after_one_exchange(make_round: Callable[..., object]) -> None:
    """global[k] += sim_k and global[j] += sim_j; what k thinks of j grows by sim_k, and the other way round."""
    rule = Reputation(warmup=5)
    round_ = make_round(ROWS, last_layer=2, peers=(2, 4, 5, 7), population=8)
    rule.aggregate(Upload(ROWS, (2, 4, 5, 7), pairs=((2, 7), (4, 5))), round_)
    sim = similarity(ROWS, round_.layout).tolist()
    assert rule.overall == pytest.approx({2: sim[0], 4: sim[1], 5: sim[2], 7: sim[3]})
    assert rule.private[2] == pytest.approx({7: sim[0]})
    assert rule.private[7][2] == pytest.approx(sim[3])
    assert rule.private[4][5] == pytest.approx(sim[1])
    rule.aggregate(Upload(ROWS, (2, 4, 5, 7), pairs=((2, 7), (4, 5))), round_)
    assert rule.overall[2] == pytest.approx(2 * sim[0])


def test_warm_up_takes_the_median_later_rounds_the_trust_weighted_mean(make_round: Callable[..., object]) -> None:
    rule = Reputation(warmup=1)
    first = make_round(ROWS, last_layer=2)
    upload = Upload(ROWS, (0, 1, 2, 3), pairs=((0, 1), (2, 3)))
    assert torch.equal(rule.aggregate(upload, first).vector, torch.tensor([0.0, -2.0, 0.0]))
    later = rule.aggregate(upload, make_round(ROWS, last_layer=2, index=1))
    standing = 2 * similarity(ROWS, first.layout).numpy()
    trust = np.tanh(np.maximum(0, standing - np.quantile(standing, 0.25)))
    np.testing.assert_allclose(later.vector.numpy(), trust @ ROWS.numpy() / trust.sum(), rtol=1e-5)
    assert later.trust == pytest.approx(dict(enumerate(standing)))


def test_without_any_trust_all_weigh_the_same(make_round: Callable[..., object]) -> None:
    rows = torch.tensor([[1.0, 1.0, 1.0]] * 3 + [[1.0, 1.0, 1.0]])
    result = Reputation(warmup=0).aggregate(
        Upload(rows, (0, 1, 2, 3), pairs=((0, 1), (2, 3))), make_round(rows, last_layer=2)
    )
    assert result.vector.tolist() == [1, 1, 1]


@given(values=st.lists(st.floats(-5, 5) | st.just(0.0), max_size=9), others=st.integers(0, 12))
def test_the_quartile_of_few_opinions_among_many_zeros(values: list[float], others: int) -> None:
    """What is not kept counts as 0, to the last bit."""
    if values or others:
        expected = lower_quartile(np.array([*values, *[0.0] * others]))
        assert quartile_among_zeros(values, len(values) + others) == expected


def test_consent_follows_the_lower_quartile_after_the_warm_up() -> None:
    rule = Reputation(warmup=2)
    rule.private[0] = {1: -1.0, 2: 3.0, 3: 2.0}
    rule.levels[0] = quartile_among_zeros(list(rule.private[0].values()), 5)
    assert rule.consents(0, 1, round_index=1)
    assert not rule.consents(0, 1, round_index=2)
    assert all(rule.consents(0, partner, round_index=2) for partner in (2, 3, 4))
    assert rule.consents(3, 0, round_index=9), "a peer without experience agrees"


def test_selection_leaves_out_the_lowest_quarter_after_the_warm_up() -> None:
    rule = Reputation(warmup=3, norm_share=0.2)
    rule.overall = {peer: float(peer) for peer in range(8)}
    assert lower_quartile(np.arange(8.0)) == 1.75
    rng = Rng(0).at("selection", round=3)
    assert rule.select(range(8), 6, 3, rng) == (2, 3, 4, 5, 6, 7)
    assert len(rule.select(range(8), 7, 3, rng)) == 6, "fewer take part when fewer are eligible"
    assert len(rule.select(range(8), 7, 2, rng)) == 7


def test_selection_is_paired_with_the_uniform_one() -> None:
    """Before the warm-up ends, FFL selects the same peers as everybody else with this seed."""
    from fflbench.defenses.aggregation.mean import Mean

    rng = Rng(5).at("selection", round=0)
    assert Reputation(warmup=1).select(range(20), 10, 0, rng) == Mean().select(range(20), 10, 0, rng)


def test_a_rejected_upload_scores_zero_for_both_its_owner_and_partner_view(make_round: Callable[..., object]) -> None:
    rule = Reputation(warmup=5)
    rows = ROWS[:3]
    rule.aggregate(
        Upload(rows, (0, 1, 2), pairs=((0, 3), (1, 2))), make_round(rows, last_layer=2, peers=(0, 1, 2), population=4)
    )
    assert rule.overall[3] == 0.0
    assert rule.private[3][0] == 0.0


def test_two_peers_are_never_left_with_one() -> None:
    """Alone, a peer cannot exchange, and nothing would ever be uploaded again."""
    rule = Reputation(warmup=0)
    rule.overall = {0: 0.0, 1: 1.0}
    assert rule.select(range(2), 2, 5, Rng(0)) == (0, 1)


def test_who_broke_the_protocol_pays_more_than_a_round_can_earn(make_round: Callable[..., object]) -> None:
    rule, honest = Reputation(), Reputation()
    round_ = make_round(ROWS, last_layer=2)
    pairs = ((0, 1), (2, 3))
    honest.aggregate(Upload(ROWS, (0, 1, 2, 3), pairs=pairs), round_)
    rule.aggregate(Upload(ROWS, (0, 1, 2, 3), pairs=pairs, culprits=(1, 7)), round_)
    assert rule.overall[1] == pytest.approx(honest.overall[1] - 1)
    assert rule.overall[7] == -1, "whose upload never came pays as well"
    assert {k: v for k, v in rule.overall.items() if k in (0, 2, 3)} == {k: honest.overall[k] for k in (0, 2, 3)}
    assert max(honest.overall.values()) <= 1
