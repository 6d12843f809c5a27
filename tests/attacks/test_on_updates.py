"""Attacks on updates: values worked out by hand or derived anew in numpy, and what holds for all of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fflbench import registry
from fflbench.attacks.poisoning.alie import ALittleIsEnough, largest_z
from fflbench.attacks.poisoning.deviation import distances_between
from fflbench.attacks.poisoning.fang_krum import FangKrum, krum_picks, upper_bound
from fflbench.attacks.poisoning.fang_trim import FangTrim
from fflbench.attacks.poisoning.ipm import InnerProductManipulation
from fflbench.attacks.poisoning.mimic import Mimic
from fflbench.attacks.poisoning.min_max import MinMax
from fflbench.attacks.poisoning.min_sum import MinSum
from fflbench.attacks.poisoning.mpaf import MPAF
from fflbench.attacks.poisoning.not_finite import Infinity, NotANumber
from fflbench.attacks.poisoning.opt_alie import OptimisedALIE
from fflbench.attacks.poisoning.opt_ipm import OptimisedIPM
from fflbench.attacks.poisoning.random_direction import RandomDirection
from fflbench.attacks.poisoning.sign_flip import SignFlip
from fflbench.attacks.poisoning.zero_sum import ZeroSum
from fflbench.contracts import Aggregate, Coalition, Knowledge, PoisoningAttack, Round
from fflbench.defenses.aggregation.krum import krum_scores
from fflbench.defenses.aggregation.median import coordinate_median
from fflbench.parameters import construct

MakeRound = Callable[..., Round]
HONEST = torch.tensor([[1.0, -2.0], [3.0, -2.0], [2.0, -5.0]])
"""Mean (2, -3), population deviation (sqrt(2/3), sqrt 2)."""
OWN = torch.tensor([[1.0, 1.0], [3.0, -1.0]])
LENIENT = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)


def seen(make_round: MakeRound, b: int = 2, h: int = 3, d: int = 2, **more: object) -> Round:
    """A round of h honest peers and b attackers, the attackers last."""
    rows = torch.zeros(h + b, d)
    return make_round(rows, coalition=Coalition(tuple(range(h, h + b))), **more)


def sent(
    attack: PoisoningAttack, make_round: MakeRound, own: torch.Tensor = OWN, honest: torch.Tensor | None = HONEST
) -> torch.Tensor:
    round_ = seen(make_round, len(own), 0 if honest is None else len(honest), own.shape[1])
    return attack.poison_updates(own, honest, round_)


def test_sign_flip_by_what_it_knows(make_round: MakeRound) -> None:
    assert sent(SignFlip(scale=2.0), make_round).tolist() == [[-2, -2], [-6, 2]]
    assert sent(SignFlip(knowledge=Knowledge.COALITION), make_round, honest=None).tolist() == [[-2, 0], [-2, 0]]
    assert sent(SignFlip(knowledge=Knowledge.OMNISCIENT), make_round).tolist() == [[-2, 3], [-2, 3]]


def test_zero_sum_undoes_everything(make_round: MakeRound) -> None:
    rows = torch.cat([HONEST, sent(ZeroSum(), make_round)])
    assert rows.sum(0).tolist() == [0, 0]


def test_ipm_and_alie_by_hand(make_round: MakeRound) -> None:
    assert sent(InnerProductManipulation(tau=0.5), make_round).tolist() == [[-1, 1.5]] * 2
    expected = [2 - math.sqrt(2 / 3), -3 - math.sqrt(2)]
    assert sent(ALittleIsEnough(z=1.0), make_round)[0].tolist() == pytest.approx(expected)


def test_alie_takes_the_z_of_the_paper() -> None:
    """n = 50, b = 12: s = 26 - 12 = 14 supporters, Phi^-1(24/38)."""
    assert largest_z(50, 12) == pytest.approx(0.3360, abs=1e-4)
    assert largest_z(10, 2) == 0, "four of eight supporters: the median honest value"
    assert largest_z(10, 9) == 0
    assert largest_z(20, 9) == pytest.approx(0.9085, abs=1e-4), "s = 11 - 9 = 2, Phi^-1(9/11)"


def test_one_attacker_that_knows_only_itself_has_no_spread_to_hide_in(make_round: MakeRound) -> None:
    one = OWN[:1]
    assert sent(ALittleIsEnough(z=1.5, knowledge=Knowledge.COALITION), make_round, one, None).tolist() == one.tolist()
    assert torch.allclose(sent(MinMax(knowledge=Knowledge.COALITION), make_round, one, None), one)
    assert torch.allclose(sent(MinSum(direction="std", knowledge=Knowledge.COALITION), make_round, one, None), one)


@LENIENT
@given(seed=st.integers(0, 10**6), h=st.integers(2, 8), direction=st.sampled_from(["unit", "sign", "std"]))
def test_min_max_and_min_sum_go_exactly_as_far_as_their_constraint(
    make_round: MakeRound, seed: int, h: int, direction: str
) -> None:
    honest = torch.from_numpy(np.random.default_rng(seed).normal(1, 2, size=(h, 5))).float()
    apart = (honest[:, None] - honest[None]).square().sum(2).double()
    far, total = apart.max(), apart.sum(1).max()
    row = sent(MinMax(direction=direction), make_round, honest[:1] * 0, honest)[0]
    assert (row - honest).square().sum(1).max().item() == pytest.approx(float(far), rel=1e-3)
    row = sent(MinSum(direction=direction), make_round, honest[:1] * 0, honest)[0]
    assert (row - honest).square().sum().item() == pytest.approx(float(total), rel=1e-3)


def test_fang_krum_is_what_krum_picks(make_round: MakeRound) -> None:
    """Against the definition of Krum with f = b, and a step that is no more than halved below the largest that works."""
    for seed in range(10):
        honest = torch.from_numpy(np.random.default_rng(seed).normal(0.5, 1, size=(8, 30))).float()
        own = torch.zeros(2, 30)
        rows = torch.cat([sent(FangKrum(), make_round, own, honest), honest])
        picked = int(krum_scores(rows, 10 - 2 - 2).argmin())
        strength = float(-rows[0] @ honest.mean(0).sign() / 30)
        assert torch.allclose(rows[0], -strength * honest.mean(0).sign(), atol=1e-6)
        if strength > 1.1e-5:
            assert picked < 2
            between = distances_between(honest)
            assert 2 * strength > upper_bound(honest, between, 2) or not krum_picks(2 * rows[0], honest, between, 2)


def test_fang_trim_lies_beyond_the_honest_values(make_round: MakeRound) -> None:
    """Coordinate 0 rises from 1..3: between 0.5 and 1. Coordinate 1 falls from -5..-2: between -2 and -1."""
    rows = sent(FangTrim(), make_round, torch.zeros(500, 2))
    assert 0.5 <= rows[:, 0].min() < 0.51
    assert 0.99 < rows[:, 0].max() <= 1
    assert -2 <= rows[:, 1].min() < -1.99
    assert -1.01 < rows[:, 1].max() <= -1


def test_mimic_copies_an_honest_row_and_never_an_attackers(make_round: MakeRound) -> None:
    assert sent(Mimic(choice="fixed"), make_round).tolist() == [[1, -2]] * 2
    honest = torch.tensor([[0.0, 0.1], [9.0, 0.0], [-9.0, -0.1], [1.0, 0.0]])
    copied = sent(Mimic(), make_round, OWN, honest)
    assert copied[0].tolist() in honest[1:3].tolist(), "an end of the direction of largest variance"
    assert torch.equal(copied[0], copied[1])


def test_mimic_stays_with_its_direction_after_the_warm_up(make_round: MakeRound) -> None:
    attack, honest = Mimic(warmup=2), torch.tensor([[0.0, 0.0], [9.0, 0.0], [-9.0, 0.0], [1.0, 5.0]])
    for index in range(2):
        attack.poison_updates(OWN, honest, make_round(torch.zeros(6, 2), index=index))
    learned = attack.direction.clone()
    attack.poison_updates(OWN, honest.flip(1), make_round(torch.zeros(6, 2), index=2))
    assert torch.equal(attack.direction, learned)
    assert abs(float(learned[0])) > 0.9


def test_mpaf_pulls_towards_one_untrained_model(make_round: MakeRound) -> None:
    attack, own = MPAF(scale=10.0), torch.zeros(2, 6)
    first, second = make_round(own), make_round(own, index=1)
    first.global_vector, second.global_vector = torch.arange(6.0), torch.ones(6)
    rows = attack.poison_updates(own, None, first)
    base = rows[0] / 10 + torch.arange(6.0)
    assert sorted(base.tolist()) == pytest.approx([0, 1, 2, 3, 4, 5]), "the entries of the first global model"
    torch.testing.assert_close(attack.poison_updates(own, None, second)[1], 10 * (base - 1))


def test_not_finite_means_not_finite(make_round: MakeRound) -> None:
    assert torch.isposinf(sent(Infinity(), make_round)).all()
    assert torch.isnan(sent(NotANumber(), make_round)).all()


def test_random_directions_have_the_length_of_ones_own_update(make_round: MakeRound) -> None:
    own = torch.randn(2, 5000)
    rows = RandomDirection(scale=3.0).poison_updates(own, None, make_round(own))
    torch.testing.assert_close(rows.norm(dim=1), 3 * own.norm(dim=1))
    assert torch.nn.functional.cosine_similarity(rows, own).abs().max() < 0.06


@pytest.mark.parametrize("attack", [OptimisedIPM(), OptimisedALIE()], ids=lambda attack: type(attack).__name__)
class TestLineSearch:
    def against(
        self, attack: PoisoningAttack, make_round: MakeRound, rule: Callable[[torch.Tensor], torch.Tensor]
    ) -> tuple[float, int]:
        """How far the rule's step is from the honest mean, and how often it was asked."""
        honest, own, asked = torch.randn(7, 20) + 1, torch.randn(3, 20), []
        round_ = make_round(torch.zeros(10, 20), coalition=Coalition((7, 8, 9)))

        def rehearse(rows: torch.Tensor) -> Aggregate:
            asked.append(rows)
            return Aggregate(rule(rows))

        round_.rehearse = rehearse
        rows = torch.cat([honest, attack.poison_updates(own, honest, round_)])
        assert all(torch.equal(trial[:7], honest) for trial in asked)
        return float((rule(rows) - honest.mean(0)).norm()), len(asked)

    def test_against_the_mean_the_strongest_wins(self, attack: PoisoningAttack, make_round: MakeRound) -> None:
        torch.manual_seed(0)
        harm, asked = self.against(attack, make_round, lambda rows: rows.mean(0))
        assert asked <= 20
        assert harm > 25

    def test_a_rule_that_drops_long_rows_is_approached_from_below(
        self, attack: PoisoningAttack, make_round: MakeRound
    ) -> None:
        """The harm grows up to the threshold and is nothing beyond: the search must end near it, not at the largest."""

        def rule(rows: torch.Tensor) -> torch.Tensor:
            return rows[rows.norm(dim=1) < 12].mean(0)

        torch.manual_seed(0)
        harm, _ = self.against(attack, make_round, rule)
        assert harm > 2.2, "about 0.3 x (12 + norm of the mean), less what the golden section leaves"

    def test_against_the_median_it_beats_a_fixed_strength(self, attack: PoisoningAttack, make_round: MakeRound) -> None:
        torch.manual_seed(0)
        harm, _ = self.against(attack, make_round, coordinate_median)
        torch.manual_seed(0)
        honest = torch.randn(7, 20) + 1
        weak = torch.cat([honest, (0.01 * honest.mean(0)).expand(3, -1)])
        assert harm > float((coordinate_median(weak) - honest.mean(0)).norm()) * 0.99


ON_UPDATES = [
    name
    for name, plugin in registry.plugins("attacks").items()
    if isinstance(plugin.target, str)
    and plugin.target.partition(":")[0].startswith(("fflbench.attacks.poisoning", "fflbench.attacks.adaptive"))
]


@pytest.mark.parametrize("name", ON_UPDATES)
@pytest.mark.parametrize(("b", "h"), [(1, 1), (1, 9), (3, 2), (2, 0)], ids=str)
def test_every_attack_keeps_shape_and_arguments_whatever_the_coalition(
    name: str, b: int, h: int, make_round: MakeRound
) -> None:
    """One attacker, one honest peer, more attackers than others, nobody else at all."""
    attack = construct(registry.load("attacks", name), {})
    own, honest = torch.randn(b, 6), torch.randn(h, 6)
    kept = own.clone(), honest.clone()
    round_ = seen(make_round, b, h, 6, last_layer=3, index=50)
    round_.rehearse = lambda rows: Aggregate(rows.mean(0), {peer: float(peer) for peer in round_.peers})
    known = honest if attack.knowledge is Knowledge.OMNISCIENT else None
    rows = attack.poison_updates(own, known, round_)
    assert rows.shape == (b, 6)
    assert rows.dtype == torch.float32
    assert torch.equal(own, kept[0])
    assert torch.equal(honest, kept[1])
    if name not in ("infinity", "nan"):
        assert torch.isfinite(rows).all()
    again = construct(registry.load("attacks", name), {}).poison_updates(own, known, round_)
    assert torch.equal(rows, again) or name in ("infinity", "nan"), "one seed, one result"


@pytest.mark.parametrize("name", ON_UPDATES)
def test_every_attack_takes_all_zero_updates(name: str, make_round: MakeRound) -> None:
    """Dead peers: nothing becomes NaN out of nothing."""
    if name in ("infinity", "nan"):
        return
    attack, zero = construct(registry.load("attacks", name), {}), torch.zeros(2, 6)
    round_ = seen(make_round, 2, 2, 6, last_layer=3, index=50)
    round_.rehearse = lambda rows: Aggregate(rows.mean(0), dict.fromkeys(round_.peers, 0.0))
    rows = attack.poison_updates(zero, zero if attack.knowledge is Knowledge.OMNISCIENT else None, round_)
    assert torch.isfinite(rows).all()
