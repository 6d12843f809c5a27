"""Observers that know more than one upload: both of a pair, a mask, other peers, other rounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fflbench import registry
from fflbench.attacks.reconstruction.averaged_rounds import AveragedRounds
from fflbench.attacks.reconstruction.inverting_gradients import InvertingGradients
from fflbench.attacks.reconstruction.linkage import Linkage
from fflbench.attacks.reconstruction.mask_guessing import agreeing_cost
from fflbench.attacks.reconstruction.pair_sum import pair_of
from fflbench.attacks.reconstruction.pair_unmixing import PairUnmixing, unchanged, unmixed_cost
from fflbench.attacks.reconstruction.simulation import cosine_cost
from fflbench.clock import Clock
from fflbench.contracts import Observation, Reconstruction, Rng, Sight, Upload, Visibility
from fflbench.defenses.ffl.mixing import FragmentMixing
from fflbench.defenses.secure_aggregation.stage import SecureAggregation
from fflbench.execution import FULL
from fflbench.federation.observation import Seen, observe
from fflbench.keeper import Keeper
from fflbench.matching import incompatibility
from fflbench.metric import Outcome
from fflbench.metrics.linkage import LinkageAccuracy
from fflbench.models.small_cnns import StridedCNN
from fflbench.suite import load_suite
from tests.attacks.test_pairs import TASK, best, pair

SUITE = """
name = "o"
seeds = [0]
defenses = [{{ label = "d", name = "{defense}"{more} }}]
[reconstruction]
attacks = [{attack}]
[[reconstruction.tasks]]
dataset = "fashion-mnist-small"
model = "strided-cnn"
{settings}
"""

View = tuple[Seen, list[Observation]]


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., View]:
    """Runs a cell; what the observer was shown for each victim is kept on the way."""

    def run(attack: str, settings: str, defense: str = "ffl", more: str = "") -> View:
        path, shown = tmp_path / "o.toml", list[Observation]()
        path.write_text(SUITE.format(attack=attack, settings=settings, defense=defense, more=more))
        spec = load_suite(str(path)).cells()[0]
        kind = registry.load("attacks", spec.attack.name)
        original = kind.reconstruct

        def kept(self: Any, seen: Observation, rng: Rng) -> Reconstruction:
            shown.append(seen)
            return original(self, seen, rng)

        with monkeypatch.context() as patch:
            patch.setattr(kind, "reconstruct", kept)
            return observe(spec, FULL, Clock(), lambda done, total: None, Keeper()), shown

    return run


class TestUnmixing:
    @settings(deadline=None, max_examples=40)
    @given(seed=st.integers(0, 1000), share=st.floats(0, 1))
    def test_no_exchange_changes_what_is_matched(self, seed: int, share: float) -> None:
        generator = torch.Generator().manual_seed(seed)
        first, second = torch.randn(2, 60, generator=generator)
        mask = torch.rand(60, generator=generator) < share
        mixed = torch.where(mask, second, first), torch.where(mask, first, second)
        assert torch.equal(unchanged(*mixed), unchanged(first, second))

    def test_the_cost_is_least_for_the_pairs_own_examples(self, make_round: Callable[..., Any]) -> None:
        batches, seen = pair(lambda: StridedCNN((1, 28, 28), 10), make_round, rate=0.01)
        both = pair_of(seen)
        assert both is not None
        cost = unmixed_cost(seen, both)
        inputs = TASK.normalise(torch.cat([batch.inputs for batch in batches]))
        labels = torch.cat([batch.targets for batch in batches])
        assert float(cost(inputs, labels).detach()) == pytest.approx(0, abs=1e-5)
        assert float(cost(inputs.flip(0), labels.flip(0)).detach()) == pytest.approx(0, abs=1e-5)
        assert float(cost(inputs + torch.randn_like(inputs), labels).detach()) > 0.01

    def test_it_opens_batches_of_which_one_upload_shows_less(self, make_round: Callable[..., Any]) -> None:
        batches, seen = pair(lambda: StridedCNN((1, 28, 28), 10), make_round, rate=0.01, each=3)
        alone, both = (
            best(batches[0].inputs, attack(steps=250, total_variation=1e-3).reconstruct(seen, Rng(0)).inputs)
            for attack in (InvertingGradients, PairUnmixing)
        )
        assert alone < both - 2

    def test_without_a_pair_it_inverts_what_there_is(self, make_round: Callable[..., Any]) -> None:
        _, seen = pair(lambda: StridedCNN((1, 28, 28), 10), make_round)
        alone = replace(seen, partner=None)
        found, expected = (
            attack(steps=3).reconstruct(alone, Rng(0)).inputs for attack in (PairUnmixing, InvertingGradients)
        )
        assert found is not None
        assert torch.equal(found, expected)


class TestKnownMask:
    @pytest.mark.parametrize("encrypted", [False, True])
    def test_the_entries_that_are_a_peers_own(self, encrypted: bool, make_round: Callable[..., Any]) -> None:
        rows = torch.randn(4, 300)
        round_, mixing = make_round(rows), FragmentMixing(exchange=0.3, encrypted=encrypted)
        upload = mixing.share(Upload(rows.clone(), (0, 1, 2, 3)), round_)
        for peer in range(4):
            own = mixing.own_entries(upload, peer, round_)
            assert own is not None
            assert torch.equal(upload.rows[peer] == rows[peer], own)

    def test_who_met_nobody_has_only_its_own(self, make_round: Callable[..., Any]) -> None:
        rows = torch.randn(2, 20)
        assert FragmentMixing().own_entries(Upload(rows, (0, 1)), 0, make_round(rows)) is None

    def test_it_opens_an_upload_that_alone_shows_nothing(self, watched: Callable[..., View]) -> None:
        shape = "learning_rate = 1.0\npeers = 4\nvictims = 4"
        known, shown = watched('{ name = "fragment-inversion", steps = 400, total_variation = 1e-3 }', shape)
        alone, _ = watched('{ name = "inverting-gradients", steps = 400, total_variation = 1e-3 }', shape)
        assert all(view.own is not None for view in shown)
        assert known.metrics["psnr"] > alone.metrics["psnr"] + 10

    def test_the_mask_is_shown_only_to_who_reads_masks(self, watched: Callable[..., View]) -> None:
        _, shown = watched('{ name = "pair-sum", steps = 1 }', "")
        assert shown[0].own is None


class TestCollusion:
    @pytest.mark.parametrize("encrypted", [False, True])
    @pytest.mark.parametrize("curious", [(), (0,), (0, 1), (0, 2, 3)])
    def test_what_curious_peers_took_part_in_is_undone(
        self, curious: tuple[int, ...], encrypted: bool, make_round: Callable[..., Any]
    ) -> None:
        rows, peers = torch.randn(6, 200), (0, 1, 2, 3, 4, 5)
        round_, mixing = make_round(rows), FragmentMixing(encrypted=encrypted)
        upload = mixing.share(Upload(rows.clone(), peers), round_)
        before = upload.rows.clone()
        told = mixing.undone(upload, {peer: rows[peer] for peer in curious}, round_)
        assert torch.equal(upload.rows, before)
        for partners in upload.pairs:
            exposed = any(peer in curious for peer in partners)
            assert (partners in told.pairs) != exposed
            for peer in partners:
                assert torch.equal(told.rows[peer], (rows if exposed else before)[peer])

    def test_a_sum_loses_what_is_theirs(self, make_round: Callable[..., Any]) -> None:
        rows, peers = torch.randn(5, 40), (2, 4, 6, 8, 9)
        round_, stage = make_round(rows, peers=peers), SecureAggregation()
        upload = stage.share(Upload(rows, peers), round_)
        told = stage.undone(upload, {4: rows[1], 9: rows[4]}, round_)
        assert told.peers == (2, 6, 8)
        assert told.visibility is Visibility.SUM
        torch.testing.assert_close(told.rows[0], rows[[0, 2, 3]].mean(0), rtol=1e-5, atol=1e-6)

    def test_who_met_a_curious_peer_is_seen_as_without_mixing(self, watched: Callable[..., View]) -> None:
        mixed, shown = watched('{ name = "collusion", curious = 3, steps = 2 }', "peers = 6\nvictims = 6")
        _, plain = watched('{ name = "collusion", curious = 0, steps = 2 }', "peers = 6\nvictims = 6", defense="mean")
        exposed = [view.partner is None for view in shown]
        assert 0 < sum(exposed) < 6
        for view, own, open_ in zip(shown, plain, exposed, strict=True):
            assert torch.equal(view.update, own.update) == open_
        assert mixed.notes["victims"] == 6

    def test_of_a_sum_the_others_are_left(self, watched: Callable[..., View]) -> None:
        _, shown = watched(
            '{ name = "collusion", curious = 2, steps = 2 }', "peers = 4\nbatch = 2", "secure-aggregation+mean"
        )
        assert shown[0].examples == 4
        assert shown[0].upload.peers[0] == 0
        assert len(shown[0].upload.peers) == 2


class TestRounds:
    def test_peers_stay_partners_change_and_the_model_moves_by_the_mean(self, watched: Callable[..., View]) -> None:
        _, (seen,) = watched('{ name = "averaged-rounds", steps = 1 }', "peers = 8\nrounds = 4")
        assert len(seen.rounds) == 4
        assert len({frozenset(sight.upload.pairs) for sight in seen.rounds}) > 1
        for sight, following in zip(seen.rounds, seen.rounds[1:], strict=False):
            torch.testing.assert_close(following.start - sight.start, sight.upload.rows.mean(0), rtol=0, atol=1e-6)
        trained = torch.cat([p.detach().flatten() for p in seen.model.parameters()])
        assert torch.equal(trained, seen.rounds[-1].start[seen.layout.trainable])
        assert torch.equal(seen.update, seen.rounds[-1].upload.rows[0])

    @pytest.mark.parametrize(("by", "expected"), [("median", [1.0, 5.0]), ("mean", [1.8, 3.0])])
    def test_what_the_uploads_of_a_peer_have_in_common(self, by: Any, expected: list[float]) -> None:
        """The victim sends (1, 5); in every round it kept one or both."""
        sent = ([1, 1], [1, 5], [1, 5], [1, -1], [5, 5])
        rounds = tuple(Sight(torch.zeros(2), Upload(torch.tensor([[9.0, 9.0], row]), (3, 7))) for row in sent)
        seen = _seen(rounds, victim=7)
        assert AveragedRounds(by=by).common(seen).tolist() == pytest.approx(expected)

    def test_of_sums_and_of_rounds_that_the_victim_sat_out(self) -> None:
        total = Upload(torch.tensor([[4.0]]), (0, 1), visibility=Visibility.SUM)
        assert AveragedRounds(by="mean").common(_seen((Sight(torch.zeros(1), total),), 1)).tolist() == [4.0]
        there, away = Upload(torch.tensor([[2.0], [6.0]]), (0, 1)), Upload(torch.tensor([[8.0]]), (0,))
        rounds = Sight(torch.zeros(1), there), Sight(torch.zeros(1), away)
        assert AveragedRounds(by="mean").common(_seen(rounds, 1)).tolist() == [6.0]


class TestLinkage:
    @pytest.mark.parametrize("by", ["direction", "signs", "norms"])
    def test_a_peer_that_stays_as_it_is_is_found(self, by: Any, make_round: Callable[..., Any]) -> None:
        rows = torch.randn(6, 400) * torch.arange(1, 7)[:, None]
        seen = _seen((Sight(torch.zeros(400), Upload(rows, tuple(range(6)))),), 4, make_round(rows).layout)
        order = torch.tensor([3, 4, 0, 5, 2, 1])
        links = Linkage(by=by).reconstruct(replace(seen, unnamed=rows[order] * 1.01), Rng(0)).links
        assert links is not None
        assert int(links.argmax()) == 1

    @pytest.mark.parametrize(
        ("links", "linked", "expected"),
        [
            ([0.1, 0.9, 0.3], 1, 100),
            ([0.1, 0.9, 0.3], 2, 0),
            ([0.5, 0.5, 0.1, 0.5], 0, 100 / 3),
            ([0.0, 0.0, 0.0, 0.0], 3, 25),
            ([float("nan"), 0.2], 1, 100),
        ],
    )
    def test_accuracy_by_hand(self, links: list[float], linked: int, expected: float) -> None:
        outcome = Outcome(links=torch.tensor(links), linked=linked)
        assert LinkageAccuracy().compute(outcome) == pytest.approx(expected)
        assert LinkageAccuracy().compute(Outcome()) is None

    def test_names_are_withheld_and_found_again_where_nothing_is_mixed(self, watched: Callable[..., View]) -> None:
        found, shown = watched('"linkage"', "peers = 8\nvictims = 8\nrounds = 2", defense="mean")
        assert found.metrics["linkage-accuracy"] == 100
        assert found.references["by chance"]["linkage-accuracy"] == pytest.approx(12.5)
        for view in shown:
            assert len(view.rounds) == 1
            assert view.unnamed is not None
            assert not any(torch.equal(row, mine) for row in view.unnamed for mine in view.upload.rows)

    def test_half_exchanged_is_half_hidden(self, watched: Callable[..., View]) -> None:
        found, _ = watched('"linkage"', "peers = 16\nvictims = 16\nrounds = 2")
        assert 5 < found.metrics["linkage-accuracy"] < 95


@pytest.mark.parametrize(
    ("attack", "defense", "more", "why"),
    [
        ('"averaged-rounds"', "ffl", "", "AveragedRounds needs 2 observed rounds, the task has 1"),
        ('"linkage"', "ffl", "", "Linkage needs 2 observed rounds, the task has 1"),
        ('"linkage"', "secure-aggregation+mean", "rounds = 2", "Linkage links single uploads, the stages reveal only a sum"),
        ('"fragment-inversion"', "mean", "", "FragmentInversion is after peers that exchanged fragments, here nobody exchanges any"),
        ('"pair-unmixing"', "mean", "", "PairUnmixing is after peers that exchanged fragments, here nobody exchanges any"),
        ('{ name = "collusion", curious = 3 }', "ffl", "peers = 4",
         "Collusion needs 5 peers: the victim, another one and 3 curious; the task has 4"),
        ('{ name = "collusion", curious = 2 }', "ffl", "peers = 4", None),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_before_anything_runs(
    attack: str, defense: str, more: str, why: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "o.toml"
    path.write_text(SUITE.format(attack=attack, settings=more, defense=defense, more=""))
    assert incompatibility(load_suite(str(path)).cells()[0], TASK) == why


def test_one_round_is_not_written_down(tmp_path: Path) -> None:
    """Records from before there could be several mean the same."""
    path = tmp_path / "o.toml"
    for settings_, written in (("", None), ("rounds = 1", None), ("rounds = 3", 3)):
        path.write_text(SUITE.format(attack='"linkage"', settings=settings_, defense="ffl", more=""))
        assert load_suite(str(path)).cells()[0].task.settings.get("rounds") == written


def _seen(rounds: tuple[Sight, ...], victim: int, layout: Any = None) -> Observation:
    upload = rounds[-1].upload
    row: Tensor | None = upload.row_of(victim)
    update = torch.zeros(upload.rows.shape[1]) if row is None else row
    return Observation(StridedCNN((1, 28, 28), 10), layout, update, upload, TASK, 1, 1.0, 1, None, victim, rounds=rounds)


class TestGuessedMask:
    def test_only_the_entries_that_agree_most_count(self, make_round: Callable[..., Any]) -> None:
        """At the victim's own examples the guess is right where the upload is its own, whatever the rest holds."""
        batches, seen = pair(lambda: StridedCNN((1, 28, 28), 10), make_round, rate=0.01, share=0.3)
        inputs, labels = TASK.normalise(batches[0].inputs), batches[0].targets
        own, mixed = agreeing_cost(seen, keep=0.1), agreeing_cost(seen, keep=1.0)
        assert float(own(inputs, labels).detach()) < 0.1 < float(mixed(inputs, labels).detach())
        plain = cosine_cost(seen)(inputs, labels)
        assert float(mixed(inputs, labels).detach()) == pytest.approx(float(plain.detach()), abs=1e-6)

    def test_one_upload_is_enough_at_a_small_share(self, watched: Callable[..., View]) -> None:
        shape = "learning_rate = 1.0\npeers = 4\nvictims = 4"
        guessed, shown = watched('{ name = "mask-guessing", steps = 400, total_variation = 1e-3 }', shape,
                                 more=", exchange = 0.2")  # fmt: skip
        plain, _ = watched('{ name = "inverting-gradients", steps = 400, total_variation = 1e-3 }', shape,
                           more=", exchange = 0.2")  # fmt: skip
        assert shown[0].own is None
        assert guessed.metrics["psnr"] > plain.metrics["psnr"] + 4
