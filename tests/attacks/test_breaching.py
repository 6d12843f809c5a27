"""The attacks of breaching, where it is installed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from fflbench.attacks.external.breaching import Breaching
from fflbench.attacks.reconstruction.inverting_gradients import InvertingGradients
from fflbench.contracts import Rng, TaskView, UnfitError, UserError
from fflbench.models.mlp import MLP
from fflbench.models.small_cnns import LeNet, StridedCNN
from tests.attacks.observing import quality, victims

here = pytest.mark.skipif(Breaching.tool.missing() is not None, reason=str(Breaching.tool.missing()))
GREY = TaskView("image", ("a", "b"), (1, 8, 8), (0.5,), (0.5,))


@here
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    "attack", ["invertinggradients", "modern", "deepleakage", "seethroughgradients", "beyondinfering", "wei"]
)
@pytest.mark.parametrize("known", [True, False])
def test_every_attack_runs_on_what_we_see(attack: str, known: bool) -> None:
    [(images, seen)] = victims(1)
    seen = seen if known else replace(seen, labels=None)
    state = torch.get_rng_state()
    guess = Breaching(attack, iterations=3).reconstruct(seen, Rng(0))
    assert torch.equal(torch.get_rng_state(), state)
    assert guess.inputs.shape == images.shape
    assert torch.isfinite(guess.inputs).all()
    assert guess.labels.shape == (1,)
    assert guess.steps == 3


@here
def test_analytic_reads_an_image_off_linear_layers() -> None:
    assert quality(Breaching("analytic"), victims(1, model=MLP)).item() > 50


@here
@pytest.mark.parametrize("steps", [1, 3])
def test_its_inverting_gradients_agrees_with_ours_on_average(steps: int) -> None:
    seen = victims(6, steps=steps, model=StridedCNN)
    theirs = Breaching(iterations=100, overrides=("regularization.total_variation.scale=1e-3",))
    assert (
        abs(quality(theirs, seen).mean() - quality(InvertingGradients(steps=100, total_variation=1e-3), seen).mean()) < 0.5
    )


@here
def test_attacks_that_need_one_gradient_and_settings_that_it_does_not_know_are_refused() -> None:
    [(_, seen)] = victims(1, steps=2)
    with pytest.raises(UnfitError, match="needs one gradient"):
        Breaching("deepleakage", iterations=3).reconstruct(seen, Rng(0))
    with pytest.raises(UserError, match="breaching failed"):
        Breaching(iterations=3, overrides=("no.such=1",)).reconstruct(seen, Rng(0))


def test_what_does_not_fit_is_known_beforehand() -> None:
    assert "3 channels" in str(Breaching().unfit(GREY))
    assert Breaching("deepleakage").unfit(GREY) is None
    assert "no iterations" in str(Breaching("analytic", iterations=5).unfit(GREY))
    assert "nn.Flatten" in str(Breaching("analytic").unfit_model(LeNet((1, 8, 8), 2), GREY))
    assert Breaching("analytic").unfit_model(MLP((1, 8, 8), 2), GREY) is None
    frozen = nn.Linear(2, 2)
    frozen.bias.requires_grad_(False)
    assert "bias is not trained" in str(Breaching().unfit_model(frozen, GREY))
