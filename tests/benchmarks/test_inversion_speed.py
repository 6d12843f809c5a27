"""Gradient inversion beside the loop that its papers' codebases share, in one run. Nothing here asserts a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fflbench import extension
from fflbench.attacks.reconstruction.inverting_gradients import InvertingGradients
from fflbench.contracts import Examples, Rng, TaskView
from fflbench.models.small_cnns import LeNet, StridedCNN
from tests.attacks.observing import seen_by_server
from tests.benchmarks.ways import compared

IMAGE = (1, 28, 28)
TASK = TaskView("image", tuple("0123456789"), IMAGE, (0.3,), (0.3,))
MODELS: dict[str, Callable[[], nn.Module]] = {
    "lenet": lambda: LeNet(IMAGE, 10),
    "strided-cnn": lambda: StridedCNN(IMAGE, 10),
}
STEPS = 50
NAIVE = "as the papers' codebases loop"


def plainly(model: nn.Module, seen: list[Tensor], labels: Tensor) -> Tensor:
    """Cosine tensor by tensor, a backward pass through everything, parameters too."""
    images = torch.randn(len(labels), *IMAGE).requires_grad_()
    optimiser = torch.optim.Adam([images], lr=0.1)
    low, high = (TASK.normalise(torch.full((1, *IMAGE), value)) for value in (0.0, 1.0))
    for _ in range(STEPS):
        optimiser.zero_grad()
        model.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        found = torch.autograd.grad(loss, list(model.parameters()), create_graph=True)
        product, own, theirs = torch.zeros(()), torch.zeros(()), torch.zeros(())
        for one, other in zip(found, seen, strict=True):
            product = product + (one * other).sum()
            own, theirs = own + one.pow(2).sum(), theirs + other.pow(2).sum()
        across = (images[:, :, :, 1:] - images[:, :, :, :-1]).abs().mean()
        down = (images[:, :, 1:] - images[:, :, :-1]).abs().mean()
        (1 - product / own.sqrt() / theirs.sqrt() + 1e-6 * (across + down)).backward()
        assert images.grad is not None
        images.grad.sign_()
        optimiser.step()
        with torch.no_grad():
            images.data = torch.maximum(torch.minimum(images, high), low)
    return images.detach()


@pytest.mark.parametrize("restarts", [1, 8])
@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("way", ["native", "torch", NAIVE])
def test_inversion(benchmark: Any, name: str, batch: int, restarts: int, way: str) -> None:
    starts = f"{restarts} starts" if restarts > 1 else "one start"
    compared(benchmark, f"inversion, {name}, {STEPS} steps, {batch} image{'s' * (batch > 1)}, {starts}", way)
    model, labels = MODELS[name]().eval(), torch.arange(batch)
    seen = seen_by_server(model, TASK, Examples(torch.rand(batch, *IMAGE), labels))
    if way == "native" and not extension.FLAVOURS:
        pytest.skip("the native code was not built")
    if way != NAIVE:
        extension.use_inexact(way == "native")
        attack = InvertingGradients(steps=STEPS, restarts=restarts)
        benchmark.pedantic(lambda: attack.reconstruct(seen, Rng(0)), rounds=5, warmup_rounds=1)
        return
    parts = [part.view_as(p) for part, p in zip(seen.gradient.split([p.numel() for p in model.parameters()]),
                                                model.parameters(), strict=True)]  # fmt: skip
    benchmark.pedantic(
        lambda: [plainly(model, parts, labels) for _ in range(restarts)], rounds=5 if restarts == 1 else 2, warmup_rounds=1
    )
