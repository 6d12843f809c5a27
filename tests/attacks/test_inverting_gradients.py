"""The reconstruction attack on gradients of known images."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from fflbench.attacks.reconstruction.descent import total_variation
from fflbench.attacks.reconstruction.fragment_inversion import FragmentInversion
from fflbench.attacks.reconstruction.inverting_gradients import InvertingGradients
from fflbench.attacks.reconstruction.labels import infer_labels
from fflbench.attacks.reconstruction.mask_guessing import MaskGuessing, agreeing_cost
from fflbench.attacks.reconstruction.restarts import grouped, side_by_side
from fflbench.attacks.reconstruction.simulation import cosine_cost, simulated_direction
from fflbench.contracts import Examples, Observation, Rng, TaskView
from fflbench.keeper import Descents
from fflbench.metrics.images import psnr
from fflbench.models.convnet64 import ConvNet64
from fflbench.models.small_cnns import StridedCNN
from tests.attacks.observing import seen_by_server

TASK = TaskView("image", tuple("0123456789"), (1, 16, 16), (0.3,), (0.3,))


def observed(
    images: Tensor, labels: Tensor, steps: int = 1, known: bool = True, model: nn.Module | None = None
) -> Observation:
    """What a curious server sees of a victim that trains on these images."""
    with Rng(1).at("model").inside_torch():
        network = model or StridedCNN((1, 16, 16), 10)
    return seen_by_server(network, TASK, Examples(images, labels), steps, known=known)


def images_of(count: int) -> Tensor:
    """Smooth pictures in [0, 1]."""
    grid = torch.linspace(0, 1, 16)
    waves = [torch.outer((3 + i) * grid, torch.ones(16)) + i * grid[None] for i in range(count)]
    return torch.stack([(torch.sin(2 * wave) + 1) / 2 for wave in waves])[:, None]


@pytest.mark.parametrize("steps", [1, 3])
def test_the_simulated_direction_of_the_true_images_is_the_seen_update(steps: int) -> None:
    images, labels = images_of(2), torch.tensor([3, 8])
    seen = observed(images, labels, steps)
    direction = simulated_direction(seen, TASK.normalise(images), labels)
    torch.testing.assert_close(-0.01 * direction, seen.update[seen.layout.trainable], atol=2e-6, rtol=1e-3)


@pytest.mark.parametrize("steps", [1, 3])
def test_a_single_image_comes_back(steps: int) -> None:
    images, labels = images_of(1), torch.tensor([3])
    attack = InvertingGradients(steps=300, total_variation=1e-4)
    guess = attack.reconstruct(observed(images, labels, steps), Rng(0))
    assert psnr(images, guess.inputs).item() > 25
    assert guess.inputs.min() >= 0
    assert guess.inputs.max() <= 1


@pytest.mark.parametrize("attack", [InvertingGradients, MaskGuessing, FragmentInversion])
def test_a_victim_that_took_more_steps_is_simulated_with_the_first_of_them(attack: type[InvertingGradients]) -> None:
    images, labels = images_of(1), torch.tensor([3])
    seen = observed(images, labels, 4)
    seen = replace(seen, own=torch.ones(len(seen.update), dtype=torch.bool))

    def found(seen: Observation, simulated: int | None) -> Tensor:
        return attack(steps=8, simulated_steps=simulated).reconstruct(seen, Rng(0)).inputs

    assert torch.equal(found(seen, 2), found(replace(seen, steps=2), None))
    assert torch.equal(found(seen, 9), found(seen, None))
    assert not torch.equal(found(seen, 2), found(seen, None))


def test_same_stream_same_guess_and_more_restarts_never_cost_more() -> None:
    seen = observed(images_of(1), torch.tensor([3]))
    once = InvertingGradients(steps=30).reconstruct(seen, Rng(0))
    again = InvertingGradients(steps=30).reconstruct(seen, Rng(0))
    thrice = InvertingGradients(steps=30, restarts=3).reconstruct(seen, Rng(0))
    assert torch.equal(once.inputs, again.inputs)
    assert thrice.cost <= once.cost
    assert thrice.steps == 90


@pytest.mark.parametrize("labels", [[4], [1, 1, 5, 9], [0, 1, 2, 3, 4, 5, 6, 7], [2, 2, 2, 2]])
def test_labels_are_read_from_the_output_layer(labels: list[int]) -> None:
    seen = observed(images_of(len(labels)), torch.tensor(labels), known=False)
    assert infer_labels(seen, Rng(0)).tolist() == sorted(labels)


def test_labels_of_a_batch_of_eight_on_convnet64() -> None:
    labels = torch.tensor([7, 0, 3, 3, 9, 1, 5, 5])
    with Rng(3).at("model").inside_torch():
        model = ConvNet64((1, 16, 16), 10, width=8)
    seen = observed(images_of(8), labels, known=False, model=model)
    assert infer_labels(seen, Rng(0)).tolist() == sorted(labels.tolist())


def test_labels_without_an_output_bias() -> None:
    labels = torch.tensor([2, 6])
    with Rng(1).at("model").inside_torch():
        model = nn.Sequential(nn.Flatten(), nn.Linear(256, 20), nn.Sigmoid(), nn.Linear(20, 10, bias=False))
    seen = observed(images_of(2), labels, known=False, model=model)
    assert infer_labels(seen, Rng(0)).tolist() == [2, 6]


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_an_update_that_shows_nothing_gives_an_image_all_the_same(value: float) -> None:
    seen = observed(images_of(1), torch.tensor([3]))
    blank = Observation(**{**vars(seen), "update": torch.full_like(seen.update, value)})
    guess = InvertingGradients(steps=5).reconstruct(blank, Rng(0))
    assert torch.isfinite(guess.inputs).all()


def test_total_variation_by_hand() -> None:
    image = torch.tensor([[[[0.0, 1.0], [3.0, 3.0]]]])
    assert total_variation(image).item() == (3 + 2) / 2 + (1 + 0) / 2


def test_a_restart_that_failed_does_not_hide_a_good_one(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = iter([float("nan"), 0.2, 0.1, 0.3])
    monkeypatch.setattr(
        InvertingGradients, "_descend",
        lambda self, starts, labels, cost, seen: ([next(costs) for _ in starts], torch.zeros_like(starts), 1),
    )  # fmt: skip
    guess = InvertingGradients(steps=1, restarts=4).reconstruct(observed(images_of(1), torch.tensor([3])), Rng(0))
    assert guess.cost == 0.1


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("attack", [InvertingGradients, MaskGuessing])
def test_starts_side_by_side_are_each_as_alone(steps: int, attack: type[InvertingGradients]) -> None:
    """Gradients of the cost, to the last digits: a descent on their signs drifts apart in the end."""
    images, labels = images_of(2), torch.tensor([3, 8])
    seen = observed(images, labels, steps)
    cost = cosine_cost(seen) if attack is InvertingGradients else agreeing_cost(seen, 0.5)
    starts = torch.randn(5, *images.shape, generator=torch.Generator().manual_seed(0))
    assert [len(group) for group in grouped(starts, lambda one: cost(one, labels), seen)] == [5]
    together, alone = starts.clone().requires_grad_(), starts.clone().requires_grad_()
    costs = side_by_side(lambda one: cost(one, labels))(together)
    expected = torch.stack([cost(one, labels) for one in alone])
    torch.testing.assert_close(costs, expected, rtol=1e-5, atol=1e-6)
    gradient, reference = (torch.autograd.grad(c.sum(), s)[0] for c, s in ((costs, together), (expected, alone)))
    torch.testing.assert_close(gradient, reference, rtol=1e-4, atol=1e-6 * float(reference.abs().max()))


def test_starts_run_one_after_the_other_where_they_cannot_run_together() -> None:
    labels, starts = torch.tensor([3]), torch.randn(9, 1, 1, 16, 16)

    def groups(model: nn.Module, count: int = 9) -> list[int]:
        seen = observed(images_of(1), labels, model=model)
        cost = cosine_cost(seen)
        return [len(group) for group in grouped(starts[:count], lambda one: cost(one, labels), seen)]

    small = nn.Sequential(nn.Flatten(), nn.Linear(256, 10))
    assert groups(small) == [8, 1]
    assert groups(small, 3) == [1, 1, 1]
    assert groups(nn.Sequential(nn.Flatten(), nn.Linear(256, 500), nn.Linear(500, 10))) == [1] * 9
    assert groups(DependsOnValues()) == [1] * 9


class DependsOnValues(nn.Module):
    """What torch cannot do for several inputs at once."""

    def __init__(self) -> None:
        super().__init__()
        self.output = nn.Linear(256, 10)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.output(images.flatten(1))
        return logits if logits.sum().item() > 0 else -logits


def test_many_restarts_find_what_the_best_of_them_finds() -> None:
    seen = observed(images_of(1), torch.tensor([3]))
    best = InvertingGradients(steps=200, restarts=8, total_variation=1e-4).reconstruct(seen, Rng(0))
    assert psnr(images_of(1), best.inputs).item() > 25
    assert best.steps == 1600


def test_a_descent_that_gets_nowhere_ends_early_and_says_so() -> None:
    seen = observed(images_of(1), torch.tensor([3]))
    patient = InvertingGradients(steps=400, learning_rate=1e-9, boxed=False, patience=20).reconstruct(seen, Rng(0))
    assert patient.steps == 20
    descents = Descents()
    ended = InvertingGradients(steps=400, learning_rate=1e-9, boxed=False, patience=20)
    first = ended.reconstruct(replace(seen, descents=descents), Rng(0))
    resumed = ended.reconstruct(replace(seen, descents=Descents(saved=[descents.state(0)])), Rng(0))
    assert resumed.steps == first.steps == 20
    assert torch.equal(resumed.inputs, first.inputs)
    lasting = InvertingGradients(steps=60, patience=59).reconstruct(seen, Rng(0))
    assert lasting.steps == 60
    assert torch.equal(lasting.inputs, InvertingGradients(steps=60).reconstruct(seen, Rng(0)).inputs)
