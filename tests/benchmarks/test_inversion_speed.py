"""Gradient inversion beside the loop that its papers' codebases share, in one run. Nothing here asserts a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad
from torch.nn import functional as F

from fflbench import extension
from fflbench.attacks.reconstruction import r_gap
from fflbench.attacks.reconstruction.inverting_gradients import InvertingGradients
from fflbench.attacks.reconstruction.simulation import cosine_cost, seen_direction
from fflbench.contracts import Examples, Rng, TaskView
from fflbench.models.convnet64 import ConvNet64
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
COMPILED = "by torch.compile, after minutes of compiling"
GELSY = "LAPACK's least squares for any rank (gelsy)"


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


@pytest.mark.parametrize("way", ["ours", COMPILED])
def test_compiling_a_larger_network(benchmark: Any, way: str) -> None:
    """What an option to compile would gain where native code does not compute."""
    compared(benchmark, "inversion, convnet64, a step, 1 image", way)
    image, label = torch.rand(1, 3, 32, 32), torch.zeros(1, dtype=torch.int64)
    model = ConvNet64((3, 32, 32), 10).eval()
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    seen = seen_by_server(model, replace(TASK, input_shape=(3, 32, 32)), Examples(image, label))
    towards = seen_direction(seen)

    def simulated(inputs: Tensor) -> Tensor:
        gradients = grad(lambda tensors: F.cross_entropy(functional_call(model, tensors, (inputs,)), label))(parameters)
        return torch.cat([g.flatten() for g in gradients.values()])

    def cost(inputs: Tensor) -> Tensor:
        return 1 - F.cosine_similarity(simulated(inputs), towards, dim=0)

    def ours() -> Tensor:
        images = start.clone().requires_grad_()
        return torch.autograd.grad(cosine_cost(seen)(images, label), images)[0]

    start, compiled = torch.randn(1, 3, 32, 32), torch.compile(grad(cost))
    step = ours if way == "ours" else lambda: compiled(start)
    torch.testing.assert_close(step(), ours(), rtol=1e-3, atol=1e-8)
    benchmark.pedantic(step, rounds=9, warmup_rounds=1)


@pytest.mark.parametrize("way", ["ours", GELSY])
def test_recursive_gradient_attack(benchmark: Any, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compared(benchmark, "R-GAP, lenet, 1 image", way)
    if way == GELSY:
        rank = {"rcond": r_gap.NOTHING, "driver": "gelsy"}
        monkeypatch.setattr(r_gap, "least_squares", lambda a, b: torch.linalg.lstsq(a, b[:, None], **rank).solution[:, 0])
    seen = seen_by_server(LeNet(IMAGE, 10).eval(), TASK, Examples(torch.rand(1, *IMAGE), torch.zeros(1, dtype=torch.int64)))
    attack = r_gap.RecursiveGradientAttack()
    benchmark.pedantic(lambda: attack.reconstruct(seen, Rng(0)), rounds=3, warmup_rounds=1)
