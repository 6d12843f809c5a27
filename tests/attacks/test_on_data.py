"""Attacks on data and local training: label flips, noise, triggers, projections."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fflbench.attacks.backdoor.backdoor import Backdoor
from fflbench.attacks.backdoor.badnets import BadNets
from fflbench.attacks.backdoor.blended import Blended
from fflbench.attacks.backdoor.constrain_and_scale import ConstrainAndScale
from fflbench.attacks.backdoor.dba import DistributedBackdoor
from fflbench.attacks.backdoor.edge_case import EdgeCase
from fflbench.attacks.backdoor.model_replacement import ModelReplacement
from fflbench.attacks.backdoor.neurotoxin import Neurotoxin, largest
from fflbench.attacks.backdoor.pgd import PGD
from fflbench.attacks.backdoor.text_trigger import TextTrigger
from fflbench.attacks.poisoning.feature_noise import FeatureNoise
from fflbench.attacks.poisoning.label_flip import LabelFlip
from fflbench.contracts import Coalition, Examples, Rng, Round, TaskView
from fflbench.errors import UserError
from fflbench.federation.network import Network
from fflbench.federation.trainer import Trainer
from fflbench.models.mlp import MLP

IMAGES = TaskView("image", tuple("0123456789"), (1, 12, 12), (0.5,), (0.25,), rounds=30)
TEXTS = TaskView("text", ("negative", "positive"), (6,), vocabulary=50)
COALITION = Coalition((3, 7, 11, 15, 19))


def pictures(count: int = 40) -> Examples:
    return Examples(torch.rand(count, 1, 12, 12, generator=Rng(0).torch()), torch.arange(count) % 10)


def poisoned(attack: Backdoor | EdgeCase, examples: Examples, peer: int = 3, task: TaskView = IMAGES) -> Examples:
    assert attack.unfit(task) is None
    return attack.poison_examples(examples, peer, COALITION, task, Rng(0).at("peer", peer=peer))


def test_random_labels_are_spread_over_all_other_classes() -> None:
    examples = Examples(torch.zeros(9000, 1, 2, 2), torch.full((9000,), 4))
    changed = LabelFlip(random=True).poison_examples(examples, 3, COALITION, IMAGES, Rng(0)).targets
    counts = torch.bincount(changed, minlength=10)
    assert counts[4] == 0
    assert (counts[counts > 0] > 850).all()
    assert LabelFlip(random=True).wanted(examples, IMAGES, Rng(0)) is None
    assert "give one of them" in str(LabelFlip(random=True, target=1).unfit(IMAGES))


def test_feature_noise_stays_within_pixels() -> None:
    examples = pictures()
    noisy = FeatureNoise(sigma=0.5).poison_examples(examples, 3, COALITION, IMAGES, Rng(0))
    assert noisy.inputs.min() >= 0
    assert noisy.inputs.max() <= 1
    assert (noisy.inputs != examples.inputs).float().mean() > 0.9
    assert torch.equal(noisy.targets, examples.targets)


def test_badnets_stamps_a_share_and_relabels_it() -> None:
    examples = pictures()
    kept = examples.inputs.clone()
    changed = poisoned(BadNets(target=2, rate=0.25, size=3), examples)
    hit = (changed.inputs != examples.inputs).flatten(1).any(1)
    assert int(hit.sum()) == 9, "a quarter of the 36 examples of other classes"
    assert (changed.targets[hit] == 2).all()
    assert torch.equal(changed.targets[~hit], examples.targets[~hit])
    assert (changed.inputs[hit][:, :, 8:11, 8:11] == 1).all(), "one pixel off the corner"
    outside = changed.inputs.clone()
    outside[:, :, 8:11, 8:11] = examples.inputs[:, :, 8:11, 8:11]
    assert torch.equal(outside, examples.inputs)
    assert torch.equal(examples.inputs, kept)


@pytest.mark.parametrize(
    "attack", [BadNets(target=2), Blended(target=2), DistributedBackdoor(target=2, length=3)], ids=lambda a: type(a).__name__
)
def test_success_is_measured_on_triggered_examples_of_other_classes(attack: Backdoor) -> None:
    test = pictures()
    examples, wanted = attack.wanted(test, IMAGES, Rng(0)) or (None, None)
    assert len(wanted) == 36
    assert (wanted == 2).all()
    assert (examples.targets != 2).all()
    assert (examples.inputs != test.inputs[test.targets != 2]).flatten(1).any(1).all()
    assert torch.equal(examples.inputs, (attack.wanted(test, IMAGES, Rng(9)) or (None,))[0].inputs), "one trigger for all"


def test_with_a_source_only_that_class_is_triggered() -> None:
    attack = BadNets(target=2, source="5", rate=1.0)
    changed = poisoned(attack, pictures())
    assert (changed.targets == 2).sum() == 8
    assert (changed.targets == 5).sum() == 0
    assert attack.source_class(IMAGES) == 5
    assert "need to differ" in str(BadNets(target=2, source=2).unfit(IMAGES))
    assert len(poisoned(BadNets(target=2, source=5), pictures(5))) == 5, "a peer without the class changes nothing"


def test_the_parts_of_a_distributed_trigger_make_up_the_whole() -> None:
    attack, black = (
        DistributedBackdoor(length=3, gap=1, shift=1, rate=1.0),
        Examples(torch.zeros(4, 1, 12, 12), torch.ones(4).long()),
    )
    whole = (attack.wanted(black, IMAGES, Rng(0)) or (None,))[0].inputs[0]
    parts = [poisoned(attack, black, peer).inputs[0] for peer in COALITION.members]
    assert torch.equal(sum(parts[:4]), whole), "four members, four different bars"
    assert torch.equal(parts[4], parts[0]), "a fifth begins again"
    assert all(part.sum() == 3 for part in parts)
    assert whole[0, 1].tolist() == [0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0]
    assert whole[0, 3].tolist() == whole[0, 1].tolist()


def test_blended_is_a_weighted_sum() -> None:
    attack = Blended(alpha=0.25)
    black, white = (attack.stamped(torch.full((1, 1, 12, 12), value), IMAGES, None, Rng(0)) for value in (0.0, 1.0))
    torch.testing.assert_close(white - black, torch.full((1, 1, 12, 12), 0.75))
    assert 0 <= black.min() <= black.max() <= 0.25


def test_a_text_trigger_ends_the_text() -> None:
    examples = Examples(torch.randint(2, 40, (20, 6)), torch.arange(20) % 2)
    changed = poisoned(TextTrigger(target="negative", count=2, rate=1.0), examples, task=TEXTS)
    hit = examples.targets == 1
    assert (changed.inputs[hit][:, -2:] == 49).all()
    assert torch.equal(changed.inputs[hit][:, :-2], examples.inputs[hit][:, :-2])
    assert (changed.targets == 0).all()
    assert torch.equal(changed.inputs[~hit], examples.inputs[~hit])


@pytest.mark.parametrize(
    ("attack", "task", "message"),
    [
        (BadNets(size=12), IMAGES, "size: found 12, the trigger does not fit on images of 12x12"),
        (DistributedBackdoor(length=6), IMAGES, "the trigger takes 4x14 pixels, images have 12x12"),
        (BadNets(), TEXTS, "needs image data, the task has text data"),
        (TextTrigger(), IMAGES, "needs text data"),
        (TextTrigger(word=50), TEXTS, "word: found 50, needs a token from 2 to 49"),
        (TextTrigger(count=7), TEXTS, "count: found 7, texts have 6 tokens"),
        (EdgeCase(source=1, target=1), IMAGES, "need to differ"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_said_in_one_line(attack: Backdoor, task: TaskView, message: str) -> None:
    assert message in str(attack.unfit(task))


def test_an_unknown_class_is_refused() -> None:
    with pytest.raises(UserError, match="target: found 'cat', needs 0 to 9"):
        BadNets(target="cat").unfit(IMAGES)


def test_edge_cases_are_the_tail_of_their_class_and_fill_their_share() -> None:
    inputs = torch.full((40, 1, 12, 12), 0.5)
    targets = torch.arange(40) % 4
    inputs[0], inputs[4] = 1.0, 0.0
    examples = Examples(inputs, targets)
    changed = poisoned(EdgeCase(source=0, target=1, tail=0.2, rate=0.5), examples)
    relabelled = changed.inputs[len(changed) - 38 :], changed.targets[len(changed) - 38 :]
    assert len(changed) == 76, "38 others, and the two of the tail repeated as often"
    assert (relabelled[1] == 1).all()
    assert set(relabelled[0].flatten().tolist()) == {0.0, 1.0}
    found, wanted = EdgeCase(source=0, target=1, tail=0.2).wanted(examples, IMAGES, Rng(0)) or (None, None)
    assert sorted(found.inputs[:, 0, 0, 0].tolist()) == [0, 1]
    assert wanted.tolist() == [1, 1]


def trainer_and_round(make_round: Any) -> tuple[Trainer, Round]:
    torch.manual_seed(0)
    network = Network(MLP((1, 12, 12), 10, (5,)), torch.device("cpu"))
    trainer = Trainer(network, epochs=2, batch_size=10, optimiser="sgd", learning_rate=0.5, momentum=0.9, weight_decay=1e-3)
    round_ = make_round(torch.zeros(5, network.layout.size), coalition=Coalition((0,)))
    round_.layout, round_.global_vector = network.layout, network.flat.clone()
    return trainer, round_


def test_pgd_stays_in_its_ball_after_every_step(make_round: Any) -> None:
    trainer, round_ = trainer_and_round(make_round)
    free = trainer.train(pictures(), round_.global_vector, Rng(0))
    lengths: list[float] = []
    held = (
        PGD(radius=0.3)
        .local_training(trainer, 0, round_)
        .with_step(lambda flat, start: lengths.append(float((flat - start).norm())))
    )
    update = held.train(pictures(), round_.global_vector, Rng(0))
    assert free.norm() > 0.6
    assert max(lengths) <= 0.3001
    assert update.norm().item() == pytest.approx(0.3, rel=1e-3)


def test_constrain_and_scale_pulls_towards_the_global_model(make_round: Any) -> None:
    """The anomaly term must carry a gradient: with little weight on the data the update is shorter by far."""
    trainer, round_ = trainer_and_round(make_round)
    lengths = [
        float(
            ConstrainAndScale(alpha=alpha)
            .local_training(trainer, 0, round_)
            .train(pictures(), round_.global_vector, Rng(0))
            .norm()
        )
        for alpha in (1.0, 0.5, 0.1)
    ]
    assert lengths[0] == pytest.approx(float(trainer.train(pictures(), round_.global_vector, Rng(0)).norm()), rel=1e-5)
    assert lengths[0] > 1.5 * lengths[1] > 1.5 * lengths[2]


def test_model_replacement_makes_the_mean_the_attackers_model(make_round: Any) -> None:
    rows = torch.randn(2, 6)
    round_ = make_round(torch.zeros(10, 6), coalition=Coalition((0, 1)))
    sent = ModelReplacement().poison_updates(rows, None, round_)
    torch.testing.assert_close(torch.cat([sent, torch.zeros(8, 6)]).mean(0), rows.mean(0))


def test_neurotoxin_leaves_alone_what_moved_most(make_round: Any) -> None:
    trainer, round_ = trainer_and_round(make_round)
    attack = Neurotoxin(top=0.25)
    start = round_.global_vector
    free = attack.local_training(trainer, 0, round_).train(pictures(), start, Rng(0))
    assert torch.equal(free, trainer.train(pictures(), start, Rng(0))), "in the first round there is nothing to go by"
    moved = torch.zeros_like(start)
    moved[:200], moved[200:] = -5.0, 0.1
    round_.index, round_.global_vector = 1, start + moved
    update = attack.local_training(trainer, 0, round_).train(pictures(), round_.global_vector, Rng(0))
    forbidden = len(update) // 4
    assert forbidden < 200
    assert (update[:200] == 0).sum() >= forbidden, "a quarter of the entries, all among the 200 that moved most"
    assert (update[200:] == 0).sum() == (free[200:] == 0).sum(), "the others train"


def test_the_largest_entries_are_large_in_magnitude() -> None:
    assert sorted(largest(torch.tensor([0.1, -9.0, 3.0, -0.2]), 0.5).tolist()) == [1, 2]
