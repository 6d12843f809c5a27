"""The round loop on real data: what the server gets, who is selected, what is reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from fflbench import registry
from fflbench.clock import Clock
from fflbench.contracts import (
    Aggregate,
    Aggregator,
    Knowledge,
    PoisoningAttack,
    PreAggregator,
    Round,
    ServerStep,
    Stage,
    Upload,
    Visibility,
)
from fflbench.errors import UserError
from fflbench.federation.rounds import evaluate, run_rounds
from fflbench.federation.setup import Federation, build_federation
from fflbench.keeper import Keeper
from fflbench.records import Specification
from fflbench.suite import load_suite

SUITE = """
name = "rounds"
seeds = [0]
defenses = [{defense}]
[poisoning]
attacks = [{attack}]
[[poisoning.tasks]]
dataset = "fashion-mnist-small"
model = {{ name = "mlp", hidden = [4] }}
peers = 6
participation = {participation}
rounds = {rounds}
batch_size = 200
reported_models = {reported}
{extra}
"""


@pytest.fixture
def federation(tmp_path: Path) -> Any:
    def build(
        defense: str = "mean",
        attack: str = '"none"',
        rounds: int = 2,
        reported: int = 1,
        share: float = 1.0,
        extra: str = "",
    ) -> Federation:
        path = tmp_path / "s.toml"
        entry = defense if defense.startswith("{") else f'{{ label = "d", name = "{defense}" }}'
        values = {"rounds": rounds, "reported": reported, "participation": share, "extra": extra}
        path.write_text(SUITE.format(defense=entry, attack=attack, **values))
        return build_federation(specification(path))

    return build


def specification(path: Path) -> Specification:
    return load_suite(str(path)).cells()[0]


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Any:
    def add(kind: str, name: str, target: object) -> None:
        monkeypatch.setitem(registry._from_files, (kind, name), registry.Plugin(kind, name, target, "test"))

    return add


def run(federation: Federation) -> tuple[Any, torch.Tensor]:
    return run_rounds(federation, Clock(), lambda done, total: None, Keeper())


class Recorder(Aggregator):
    """Keeps what it is given, and takes the mean."""

    seen: ClassVar[list[tuple[Upload, Round]]] = []

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        Recorder.seen.append((upload, round))
        return Aggregate(upload.rows.mean(0))


@pytest.fixture
def recorder(plugin: Any) -> list[tuple[Upload, Round]]:
    Recorder.seen = []
    plugin("defenses", "recorder", Recorder)
    return Recorder.seen


def test_rows_are_updates_of_the_selected_peers(federation: Any, recorder: Any) -> None:
    fed = federation("recorder", share=0.5)
    start = fed.global_vector.clone()
    history, reported = run(fed)
    (first, round0), (second, round1) = recorder
    assert first.peers == round0.peers
    assert len(first.peers) == 3
    assert history.uploads == 6
    peer = first.peers[1]
    own = fed.trainer.train(fed.honest_examples[peer], start, fed.rng.at("training", round=0, peer=peer))
    torch.testing.assert_close(first.rows[1], own)
    torch.testing.assert_close(round1.global_vector, start + first.rows.mean(0))
    torch.testing.assert_close(reported, start + first.rows.mean(0) + second.rows.mean(0))
    assert history.sent == {"upload": 2 * 3 * 4 * fed.network.layout.size}


def test_cells_of_a_seed_are_paired_whatever_attack_and_defense(federation: Any) -> None:
    """Same model, data, attackers, selection and honest batches: the statistics rest on it."""
    loud = '{ name = "gaussian-noise", attackers = 0.2 }'
    first, second = (
        federation("mean", loud, share=0.5),
        federation("ffl", '{ name = "label-flip", attackers = 0.2 }', share=0.5),
    )
    assert torch.equal(first.global_vector, second.global_vector)
    assert first.coalition.members == second.coalition.members
    for mine, theirs in zip(first.honest_examples, second.honest_examples, strict=True):
        assert torch.equal(mine.inputs, theirs.inputs)
    picks = [f.defense.aggregator.select(range(6), 3, 0, f.rng.at("selection", round=0)) for f in (first, second)]
    assert picks[0] == picks[1]
    stream = first.rng.at("training", round=0, peer=1)
    updates = [f.trainer.train(f.honest_examples[1], f.global_vector, stream) for f in (first, second)]
    assert torch.equal(*updates)


def test_an_attack_by_nobody_trains_as_none_does_and_is_measured_all_the_same(federation: Any) -> None:
    flip = '{ name = "label-flip", attackers = 0, source = "Sneaker", target = "Sandal" }'
    nobody, none = federation("mean", flip), federation("mean", '"none"')
    (history, reported), (_, alone) = run(nobody), run(none)
    assert torch.equal(reported, alone)
    outcome = evaluate(nobody, reported, history)
    assert outcome.wanted_targets is not None
    assert (outcome.wanted_targets == 7).all(), "the sneakers of the test data"
    assert evaluate(none, alone, history).wanted is None


def test_the_reported_model_is_the_mean_of_the_last(federation: Any, recorder: Any) -> None:
    fed = federation("recorder", rounds=4, reported=3)
    _, reported = run(fed)
    after = [round_.global_vector + upload.rows.mean(0) for upload, round_ in recorder]
    torch.testing.assert_close(reported, torch.stack(after[1:]).mean(0))


def test_mixing_before_the_mean_changes_nothing_but_what_the_server_sees(federation: Any) -> None:
    plain, mixed = federation("mean"), federation("fragment-mixing+mean")
    history, reported = run(mixed)
    torch.testing.assert_close(reported, run(plain)[1], atol=1e-6, rtol=1e-5)
    assert history.sent["exchange"] == pytest.approx(history.sent["upload"] / 2, rel=0.02)


def test_only_members_are_poisoned_and_only_on_schedule(federation: Any, recorder: Any) -> None:
    honest = federation("recorder", rounds=3)
    run(honest)
    clean = [upload.rows for upload, _ in recorder]
    recorder.clear()
    noisy = federation("recorder", '{ name = "gaussian-noise", attackers = 0.4, start = 1, end = 2 }', rounds=3)
    members = noisy.coalition.members
    assert len(members) == 2
    run(noisy)
    attacked = [upload.rows for upload, _ in recorder]
    assert torch.equal(attacked[0], clean[0])
    changed = [peer for peer in range(6) if not torch.equal(attacked[1][peer], clean[1][peer])]
    assert tuple(changed) == members
    assert (attacked[1][list(members)] - clean[1][list(members)]).std() > 0.15
    assert attacked[2][list(members)].std() < 0.1, "the attack is over"


def test_what_an_attack_is_shown_depends_on_its_knowledge(federation: Any, plugin: Any) -> None:
    shown: list[tuple[int, int | None]] = []

    class Curious(PoisoningAttack):
        """Looks."""

        def poison_updates(self, malicious: torch.Tensor, honest: torch.Tensor | None, round: Round) -> torch.Tensor:
            shown.append((len(malicious), None if honest is None else len(honest)))
            return malicious

    class AllKnowing(Curious):
        """Looks at everything."""

        knowledge = Knowledge.OMNISCIENT

    plugin("attacks", "curious", Curious)
    plugin("attacks", "all-knowing", AllKnowing)
    run(federation("mean", '{ name = "curious", attackers = 0.4 }', rounds=1))
    run(federation("mean", '{ name = "all-knowing", attackers = 0.4 }', rounds=1))
    assert shown == [(2, None), (2, 4)]


@pytest.mark.parametrize(("strategy", "same"), [("S1", False), ("S2", True)])
def test_strategies_under_mixing(federation: Any, recorder: Any, strategy: str, same: bool) -> None:
    """S2 uploads the attacker's own update, while its partner still carries the attacker's fragments."""
    attack = f'{{ name = "gaussian-noise", attackers = 0.2, sigma = 10.0, strategy = "{strategy}" }}'
    fed = federation('{ label = "d", pipeline = ["fragment-mixing", "recorder"] }', attack, rounds=1)
    run(fed)
    upload, _ = recorder[0]
    (attacker,) = fed.coalition.members
    partner = next(k if j == attacker else j for k, j in upload.pairs if attacker in (k, j))
    loud = [(row.abs() > 0.5).float().mean().item() for row in upload.rows]
    assert loud[upload.peers.index(attacker)] == pytest.approx(0.96 if same else 0.48, abs=0.05)
    assert loud[upload.peers.index(partner)] == pytest.approx(0.48, abs=0.05)


def test_rows_that_are_not_finite(federation: Any, recorder: Any, plugin: Any) -> None:
    """FedAvg takes them and diverges; a robust rule drops them, each counting as an attacker found."""

    class Nan(PoisoningAttack):
        """Sends NaN."""

        def poison_updates(self, malicious: torch.Tensor, honest: torch.Tensor | None, round: Round) -> torch.Tensor:
            return torch.full_like(malicious, float("nan"))

    plugin("attacks", "nans", Nan)
    history, _ = run(federation("mean", '{ name = "nans", attackers = 0.4 }'))
    assert history.diverged_in == 1
    history, reported = run(federation("recorder", '{ name = "nans", attackers = 0.4 }'))
    assert history.diverged_in is None
    assert history.rejected == 4
    assert torch.isfinite(reported).all()
    upload, round_ = recorder[0]
    assert len(upload.peers) == 4
    assert round_.tolerated == 0
    history, _ = run(federation("ffl", '{ name = "nans", attackers = 0.2 }', rounds=3))
    assert history.diverged_in is None


@pytest.mark.parametrize(("base", "hook", "result", "message"), [
    (Aggregator, "aggregate", None, "Wrong.aggregate: returned NoneType, needs an Aggregate"),
    (Aggregator, "aggregate", Aggregate(torch.zeros(3)), r"Wrong.aggregate: returned shape (3,), torch.float32, needs a float tensor of shape (3190,)"),
    (Stage, "share", Upload(torch.zeros(2, 3190), (0,)), "Wrong.share: returned shape (2, 3190), torch.float32, needs a float tensor of shape (1, 3190)"),
    (Stage, "share", Upload(torch.zeros(1, 3190), (77,)), "Wrong.share: returned the peers (77,), needs each at most once"),
    (Stage, "share", Upload(torch.zeros(1, 3190), (0, 1), Visibility.SUM), "shows SUM, its class promises INDIVIDUAL"),
    (Aggregator, "aggregate", Aggregate(torch.zeros(3190), {99: 1.0}), "trusts the peers [99], needs those of the upload"),
    (Aggregator, "select", (0, 0), "Wrong.select: returned (0, 0), needs different peers from 0 to 5"),
    (Aggregator, "select", (), "Wrong.select: returned (), needs different peers"),
    (PreAggregator, "transform", torch.zeros(2), "Wrong.transform: returned Tensor, needs an Upload"),
])  # fmt: skip
def test_a_plugin_that_returns_the_wrong_thing_is_named(
    federation: Any, plugin: Any, base: type, hook: str, result: Any, message: str
) -> None:
    wrong = type("Wrong", (base,), {"__doc__": "Wrong.", hook: lambda self, *given: result})
    plugin("defenses", "wrong", wrong)
    with pytest.raises(UserError) as caught:
        run(federation("wrong" if base is Aggregator else "wrong+mean", rounds=1))
    assert message in str(caught.value)


def test_one_attacker_that_spoils_a_pair_counts_once(federation: Any, recorder: Any, plugin: Any) -> None:
    """Both uploads of a pair that one attacker spoiled are dropped; the tolerance for the others must not shrink by two."""

    class Nan(PoisoningAttack):
        """Sends NaN."""

        def poison_updates(self, malicious: torch.Tensor, honest: torch.Tensor | None, round: Round) -> torch.Tensor:
            return torch.full_like(malicious, float("nan"))

    plugin("attacks", "nans", Nan)
    fed = federation(
        '{ label = "d", pipeline = ["fragment-mixing", "recorder"] }', '{ name = "nans", attackers = 0.2 }', rounds=1
    )
    fed.settings = fed.settings.model_copy(update={"tolerated": 0.34})
    history, _ = run(fed)
    assert history.rejected == 2
    assert recorder[0][1].tolerated == 1


def test_an_attack_cannot_spoil_the_data_of_later_cells(federation: Any, plugin: Any) -> None:
    class Stamping(PoisoningAttack):
        """Stamps a trigger in place."""

        def wanted(self, test: Any, task: Any, rng: Any) -> Any:
            test.inputs[:] = 1
            test.targets[:] = 0
            return test, test.targets

    plugin("attacks", "stamping", Stamping)
    stamped = federation("mean", '{ name = "stamping", attackers = 0.2 }')
    assert (stamped.wanted[1] == 0).all()
    assert not (stamped.test.targets == 0).all()
    assert federation("mean").test.inputs.std() > 0.5


def test_a_coalition_of_nobody_is_refused(federation: Any) -> None:
    with pytest.raises(UserError, match=r"attackers: found 0.1 of the 6 peers .* which is nobody"):
        federation("mean", '{ name = "gaussian-noise", attackers = 0.1 }')


def test_an_adaptive_attack_rehearses_against_the_defense_without_touching_it(federation: Any, plugin: Any) -> None:
    answers: list[torch.Tensor] = []

    class Rehearsing(PoisoningAttack):
        """Asks the defense twice."""

        knowledge = Knowledge.OMNISCIENT

        def poison_updates(self, malicious: torch.Tensor, honest: torch.Tensor | None, round: Round) -> torch.Tensor:
            assert round.rehearse is not None
            rows = round.arrange(malicious, honest)
            answers.extend(round.rehearse(rows).vector for _ in range(2))
            return malicious

    plugin("attacks", "rehearsing", Rehearsing)
    asked, plain = federation("ffl", '{ name = "rehearsing", attackers = 0.2 }'), federation("ffl", '"none"')
    run(asked)
    run(plain)
    assert torch.equal(answers[0], answers[1])
    assert asked.defense.aggregator.overall == plain.defense.aggregator.overall


def test_stages_and_pre_aggregators_run_in_order(federation: Any, recorder: Any, plugin: Any) -> None:
    class Doubling(Stage):
        """Doubles."""

        def share(self, upload: Upload, round: Round) -> Upload:
            return Upload(upload.rows * 2, upload.peers, row_bytes=7)

    class PlusOne(PreAggregator):
        """Adds one."""

        def transform(self, upload: Upload, round: Round) -> Upload:
            return Upload(upload.rows + 1, upload.peers)

    plugin("defenses", "doubling", Doubling)
    plugin("defenses", "plus-one", PlusOne)
    run(federation("recorder", rounds=1))
    history, _ = run(federation("doubling+plus-one+recorder", rounds=1))
    (plain, _), (changed, _) = recorder
    torch.testing.assert_close(changed.rows, plain.rows * 2 + 1)
    assert history.sent == {"upload": 6 * 7}


def test_a_sum_reaches_the_server_as_one_row(federation: Any) -> None:
    _, summed = run(federation("secure-aggregation+mean", '{ name = "gaussian-noise", attackers = 0.2 }'))
    _, plain = run(federation("mean", '{ name = "gaussian-noise", attackers = 0.2 }'))
    torch.testing.assert_close(summed, plain, atol=1e-6, rtol=1e-5)


def test_server_steps_change_the_aggregate_in_order(federation: Any, plugin: Any) -> None:
    class Doubled(ServerStep):
        """Twice."""

        def step(self, vector: torch.Tensor, round: Round) -> torch.Tensor:
            return 2 * vector

    class PlusOne(ServerStep):
        """One more."""

        def step(self, vector: torch.Tensor, round: Round) -> torch.Tensor:
            return vector + 1

    plugin("defenses", "doubled", Doubled)
    plugin("defenses", "plus-one", PlusOne)
    plain, changed = federation("mean", rounds=1), federation("mean+doubled+plus-one", rounds=1)
    start = plain.global_vector.clone()
    _, once = run(plain)
    _, twice = run(changed)
    torch.testing.assert_close(twice - start, 2 * (once - start) + 1)


def test_the_servers_own_examples_are_held_out_and_train_like_a_peer(federation: Any, plugin: Any) -> None:
    seen: list[torch.Tensor] = []

    class Rooted(Aggregator):
        """Follows the server's own update."""

        def aggregate(self, upload: Upload, round: Round) -> Aggregate:
            assert round.root_update is not None
            assert round.task.root_examples == 50
            seen.append(round.root_update())
            assert torch.equal(seen[-1], round.root_update())
            return Aggregate(seen[-1])

    plugin("defenses", "rooted", Rooted)
    held = federation("rooted", extra="root_examples = 50", rounds=1)
    dealt = torch.cat([peer.inputs for peer in held.honest_examples])
    assert len(held.root) == 50
    assert len(dealt) == len(held.task.data.train) - 50
    everything = torch.cat([dealt, held.root.inputs]).flatten(1)
    assert len(torch.unique(everything, dim=0)) == len(torch.unique(held.task.data.train.inputs.flatten(1), dim=0))
    start = held.global_vector.clone()
    run(held)
    torch.testing.assert_close(held.global_vector, start + seen[0])
    assert federation("mean").root is None


def test_more_root_examples_than_there_are_is_refused(federation: Any) -> None:
    with pytest.raises(UserError, match="root_examples: found 5000, needs fewer than the 5000 examples"):
        federation("mean", extra="root_examples = 5000")


def test_a_rotating_coalition_is_drawn_anew_every_round_from_all_peers(federation: Any, recorder: Any) -> None:
    attack = '{ name = "infinity", attackers = 0.34, rotating = true, end = 6 }'
    run(federation("recorder", attack, rounds=8))
    acting = [tuple(sorted(set(round_.peers) - set(upload.peers))) for upload, round_ in recorder]  # Rejected: not finite.
    assert all(len(who) == 2 for who in acting[:6]), "a third of six peers, to the end of the attack"
    assert acting[6:] == [(), ()]
    assert len(set(acting[:6])) > 2
    again = federation("recorder", attack, rounds=8)
    run(again)
    assert [tuple(round_.coalition.members) for _, round_ in recorder[8:]] == acting


def test_trust_in_merged_rows_is_trust_in_nobody(federation: Any, plugin: Any) -> None:
    class FirstOnly(PreAggregator):
        """One row for all."""

        def transform(self, upload: Upload, round: Round) -> Upload:
            return upload.only([0])

    class Trusting(Aggregator):
        """Trusts everybody."""

        def aggregate(self, upload: Upload, round: Round) -> Aggregate:
            return Aggregate(upload.rows.mean(0), dict.fromkeys(upload.peers, 1.0))

    plugin("defenses", "first-only", FirstOnly)
    plugin("defenses", "trusting", Trusting)
    assert run(federation("trusting"))[0].trust
    assert not run(federation("first-only+trusting"))[0].trust
