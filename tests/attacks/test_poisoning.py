"""What each poisoning attack does to data and updates."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from fflbench.attacks.poisoning.gaussian_noise import GaussianNoise
from fflbench.attacks.poisoning.label_flip import LabelFlip
from fflbench.attacks.poisoning.none import NoAttack
from fflbench.contracts import Coalition, Examples, Rng, TaskView
from fflbench.errors import UserError

DIGITS = TaskView("image", tuple("0123456789"), (1, 2, 2), (0.5,), (0.25,))
ADULT = TaskView("tabular", ("<=50K", ">50K"), (10,))
TARGETS = torch.tensor([7, 1, 0, 7, 9])
EXAMPLES = Examples(torch.rand(5, 1, 2, 2), TARGETS)


def flipped(attack: LabelFlip, task: TaskView = DIGITS) -> list[int]:
    assert attack.unfit(task) is None
    return attack.poison_examples(EXAMPLES, 0, Coalition((0,)), task, Rng(0)).targets.tolist()


def test_label_flip_source_to_target() -> None:
    assert flipped(LabelFlip(source=7, target=1)) == [1, 1, 0, 1, 9]
    assert flipped(LabelFlip(source="7", target="1")) == [1, 1, 0, 1, 9]
    assert TARGETS.tolist() == [7, 1, 0, 7, 9], "the caller's data are not changed"


def test_label_flip_all_to_one_and_complement() -> None:
    assert flipped(LabelFlip(target=3)) == [3, 3, 3, 3, 3]
    assert flipped(LabelFlip()) == [2, 8, 9, 2, 0]


def test_what_label_flip_wants_is_measured_on_the_examples_it_changes() -> None:
    examples, wanted = LabelFlip(source=7, target=1).wanted(EXAMPLES, DIGITS, Rng(0)) or (None, None)
    assert examples.targets.tolist() == [7, 7]
    assert wanted.tolist() == [1, 1]
    rich = Examples(torch.zeros(3, 10), torch.tensor([0, 1, 1]))
    examples, wanted = LabelFlip(target="<=50K").wanted(rich, ADULT, Rng(0)) or (None, None)
    assert examples.targets.tolist() == [1, 1]
    assert wanted.tolist() == [0, 0]


@pytest.mark.parametrize(("attack", "message"), [
    (LabelFlip(source=7), "source is 7 but target is not given"),
    (LabelFlip(source=7, target="7"), "source and target are both 7"),
])  # fmt: skip
def test_label_flip_refuses_what_makes_no_sense(attack: LabelFlip, message: str) -> None:
    assert message in str(attack.unfit(DIGITS))


def test_label_flip_names_a_class_that_is_not_there() -> None:
    with pytest.raises(UserError, match=r"label-flip: target: found 'cat', needs 0 to 9 or one of 0, 1"):
        LabelFlip(source=0, target="cat").unfit(DIGITS)
    with pytest.raises(UserError, match="found 10, needs 0 to 9"):
        LabelFlip(target=10).unfit(DIGITS)


def test_gaussian_noise_has_the_published_strength(make_round: Callable[..., object]) -> None:
    own = torch.full((3, 20000), 5.0)
    round_ = make_round(own)
    sent = GaussianNoise().poison_updates(own, None, round_)
    assert (sent - own).std().item() == pytest.approx(0.2, rel=0.02)
    assert (sent - own).mean().item() == pytest.approx(0, abs=0.005)
    assert not torch.equal(sent[0], sent[1]), "every attacker draws its own noise"
    replaced = GaussianNoise(sigma=1.0, mode="replace").poison_updates(own, None, round_)
    assert replaced.mean().item() == pytest.approx(0, abs=0.02)
    assert torch.equal(own, torch.full((3, 20000), 5.0))
    assert torch.equal(sent, GaussianNoise().poison_updates(own, None, make_round(own)))


def test_strategies_of_the_upload(make_round: Callable[..., object]) -> None:
    own, shared = torch.zeros(1, 4), torch.ones(1, 4)
    honest_looking = make_round(own, coalition=Coalition((0,), strategy="S1"))
    cheating = make_round(own, coalition=Coalition((0,), strategy="S2"))
    assert torch.equal(NoAttack().poison_upload((0,), own, shared, honest_looking), shared)
    assert torch.equal(NoAttack().poison_upload((0,), own, shared, cheating), own)


def test_a_coalition_keeps_to_its_schedule() -> None:
    coalition = Coalition((1, 2), start=2, end=4)
    assert [index for index in range(6) if coalition.active(index)] == [2, 3]
    assert Coalition((1,)).active(10**6)
