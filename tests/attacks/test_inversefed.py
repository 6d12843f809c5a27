"""Ours against the authors' own code, where the user's checkout of it is (docs/inversefed.md)."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from fflbench.attacks.external.inversefed import Inversefed
from fflbench.attacks.reconstruction.inverting_gradients import InvertingGradients
from fflbench.contracts import Rng, UnfitError
from fflbench.data.fashion_mnist import FashionMNISTSmall
from fflbench.models.small_cnns import StridedCNN
from tests.attacks.observing import quality, victims

here = pytest.mark.skipif(Inversefed.tool.missing() is not None, reason=str(Inversefed.tool.missing()))


class NoBias(nn.Module):
    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.output = nn.Linear(shape[0] * shape[1] * shape[2], classes, bias=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.output(images.flatten(1))


@here
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("known", [True, False])
def test_without_signs_both_take_the_same_path(steps: int, known: bool) -> None:
    """Signs blow up the last bit of a sum; without them the paths stay together, so every part of the two is the same. Of 20
    steps both lower the step size after 7, 12 and 17; of 24 ours after 9 and theirs after 8."""
    [(_, seen)] = victims(1, batch=2, steps=steps, model=StridedCNN)
    seen = seen if known else replace(seen, labels=None)
    settings = {"steps": 20, "signed": False, "total_variation": 0.05, "learning_rate": 0.3}
    ours = InvertingGradients(**settings).reconstruct(seen, Rng(0))
    theirs = Inversefed(**settings).reconstruct(seen, Rng(0))
    torch.testing.assert_close(theirs.inputs, ours.inputs, atol=5e-3, rtol=0)
    assert torch.equal(theirs.labels, ours.labels)
    assert theirs.cost == pytest.approx(ours.cost, abs=1e-3)


@here
@pytest.mark.parametrize("steps", [1, 3])
def test_with_signs_they_agree_on_average(steps: int) -> None:
    seen = victims(6, steps=steps, model=StridedCNN, dataset=FashionMNISTSmall())
    ours = quality(InvertingGradients(steps=100, total_variation=1e-3), seen).mean()
    theirs = quality(Inversefed(steps=100, total_variation=1e-3), seen).mean()
    assert abs(ours - theirs) < 0.5


@here
def test_it_leaves_no_traces(capsys: pytest.CaptureFixture[str]) -> None:
    [(_, seen)] = victims(1, steps=2)

    def held() -> list[torch.Tensor]:
        return [t.clone() for p in seen.model.parameters() for t in (p.detach(), p.grad) if t is not None]

    path, state, before = list(sys.path), torch.get_rng_state(), held()
    first = Inversefed(steps=5, restarts=2).reconstruct(seen, Rng(0))
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(held(), before, rtol=0, atol=0)
    assert sys.path == path
    assert "inversefed" not in sys.modules
    assert not torch.backends.cudnn.benchmark
    assert capsys.readouterr() == ("", "")
    assert torch.equal(Inversefed(steps=5, restarts=2).reconstruct(seen, Rng(0)).inputs, first.inputs)
    assert first.steps == 10


@here
@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_an_update_that_shows_nothing_gives_an_image_all_the_same(value: float) -> None:
    [(_, seen)] = victims(1)
    blank = replace(seen, update=torch.full_like(seen.update, value))
    assert torch.isfinite(Inversefed(steps=5).reconstruct(blank, Rng(0)).inputs).all()


@here
def test_layers_that_it_would_skip_are_refused() -> None:
    [(_, seen)] = victims(1, steps=2, model=NoBias)
    with pytest.raises(UnfitError, match="Linear 'output'"):
        Inversefed(steps=5).reconstruct(seen, Rng(0))
