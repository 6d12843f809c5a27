"""Observers that look at both mixed uploads of a pair: what mixing hides from a single upload it does not hide from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fflbench import registry
from fflbench.attacks.reconstruction.analytic import Analytic
from fflbench.attacks.reconstruction.inverting_gradients import InvertingGradients
from fflbench.attacks.reconstruction.pair_sum import PairSum, pair_of
from fflbench.attacks.reconstruction.pair_voting import PairVoting
from fflbench.contracts import Examples, Observation, Rng, TaskView, Upload
from fflbench.defenses.ffl.mixing import FragmentMixing
from fflbench.metrics.images import match, psnr
from fflbench.models.mlp import MLP
from fflbench.models.small_cnns import StridedCNN
from tests.attacks.observing import seen_by_server

DATA = registry.load("datasets", "fashion-mnist-small")().load()
TASK = TaskView("image", DATA.classes, (1, 28, 28), DATA.mean, DATA.std)


class SmoothMLP(nn.Module):
    """Every neuron reaches every example: nobody reads an input off neurons that only one of two peers reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.output = nn.Linear(784, 48), nn.Linear(48, 10)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.output(self.hidden(images.flatten(1)).tanh())
        return logits


def pair(
    build: Callable[[], nn.Module], make_round: Callable[..., Any], rate: float = 1.0, share: float = 0.5, each: int = 1
) -> tuple[list[Examples], Observation]:
    """Two peers' examples, and what the server sees of the first after the two exchanged fragments."""
    batches = [DATA.test[torch.arange(each) + start] for start in (3, 20)]
    with Rng(0).at("model").inside_torch():
        model = build()
    seen = [seen_by_server(model, TASK, batch, rate=rate) for batch in batches]
    rows = torch.stack([one.update for one in seen])
    shared = FragmentMixing(exchange=share).share(Upload(rows, (0, 1)), make_round(rows))
    return batches, replace(seen[0], update=shared.rows[0], upload=shared, partner=1, partner_labels=batches[1].targets)


def best(images: Tensor, guess: Tensor | None) -> float:
    assert guess is not None
    return float(psnr(images, guess[match(images, guess)]).mean())


@pytest.mark.parametrize("share", [0.05, 0.3085, 0.5])
@pytest.mark.parametrize("build", [lambda: MLP((1, 28, 28), 10), SmoothMLP], ids=["rectified", "smooth"])
def test_both_peers_are_read_out_of_a_linear_first_layer(
    build: Callable[[], nn.Module], share: float, make_round: Callable[..., Any]
) -> None:
    batches, seen = pair(build, make_round, share=share)
    guess = PairVoting().reconstruct(seen, Rng(0))
    alone = Analytic().reconstruct(seen, Rng(0))
    for batch in batches:
        assert best(batch.inputs, guess.inputs) > 35
    assert best(batches[0].inputs, alone.inputs) < best(batches[0].inputs, guess.inputs) - 10


def test_the_sum_of_a_pair_gives_its_images_away_where_one_upload_does_not(make_round: Callable[..., Any]) -> None:
    batches, seen = pair(lambda: StridedCNN((1, 28, 28), 10), make_round, rate=0.01)
    settings = {"steps": 300, "total_variation": 1e-3}
    together, alone = (attack(**settings).reconstruct(seen, Rng(0)).inputs for attack in (PairSum, InvertingGradients))
    assert best(batches[0].inputs, together) > 20
    assert best(batches[1].inputs, together) > 20
    assert best(batches[0].inputs, alone) < best(batches[0].inputs, together) - 8


def test_the_two_uploads_of_a_pair_sum_to_what_its_peers_would_have_sent(make_round: Callable[..., Any]) -> None:
    batches, seen = pair(lambda: MLP((1, 28, 28), 10), make_round)
    with Rng(0).at("model").inside_torch():
        model = MLP((1, 28, 28), 10)
    own = sum(seen_by_server(model, TASK, batch, rate=1.0).update for batch in batches)
    both = pair_of(seen)
    assert both is not None
    torch.testing.assert_close(both.sum(0), own, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("lost", [{"partner": None}, {"partner": 7}], ids=["no partner", "partner not arrived"])
def test_without_a_pair_they_do_what_they_build_on(lost: dict[str, Any], make_round: Callable[..., Any]) -> None:
    _, seen = pair(lambda: MLP((1, 28, 28), 10), make_round)
    seen = replace(seen, **lost)
    for attack, base in ((PairVoting(), Analytic()), (PairSum(steps=3), InvertingGradients(steps=3))):
        found, expected = attack.reconstruct(seen, Rng(0)).inputs, base.reconstruct(seen, Rng(0)).inputs
        assert found is not None
        assert expected is not None
        assert torch.equal(found, expected)


def test_labels_that_the_server_lacks_are_inferred_from_the_sum(make_round: Callable[..., Any]) -> None:
    _, seen = pair(lambda: StridedCNN((1, 28, 28), 10), make_round, rate=0.01)
    guess = PairSum(steps=2).reconstruct(replace(seen, labels=None, partner_labels=None), Rng(0))
    assert guess.inputs is not None
    assert guess.inputs.shape == (2, 1, 28, 28)
