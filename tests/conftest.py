"""Shared by all tests: one thread, and small building blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, settings

from fflbench import extension
from fflbench.contracts import Layout, Parameter, Rng, Round, TaskView, Upload

torch.set_num_threads(1)

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

TASK = TaskView("image", ("a", "b"), (1, 4, 4), (0.5,), (0.25,))
"""A task of no importance."""


def flat_layout(size: int, last_layer: int = 0) -> Layout:
    """One tensor of `size` entries, or a body and an output layer (`out.weight` with all but one, `out.bias` with one)."""
    if not last_layer:
        return Layout((Parameter("weight", (size, 1), 0, size, True),))
    body = size - last_layer
    return Layout(
        (
            Parameter("body.weight", (body,), 0, body, True),
            Parameter("out.weight", (1, last_layer - 1), body, last_layer - 1, True),
            Parameter("out.bias", (1,), size - 1, 1, True),
        )
    )


@pytest.fixture(autouse=True)
def same_draws() -> None:
    """What a test draws from torch's own generator does not depend on the tests before it."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def torch_where_it_differs() -> Iterator[None]:
    """A test that computes a cell leaves no trace in how the next one computes."""
    extension.use_inexact(False)
    yield
    extension.use_inexact(False)


@pytest.fixture
def make_round() -> Callable[..., Round]:
    def make(
        rows: torch.Tensor, *, index: int = 0, tolerated: int = 0, last_layer: int = 0, peers: Sequence[int] = (),
        population: int = 0, seed: int = 0, **more: object,
    ) -> Round:  # fmt: skip
        who = tuple(peers) or tuple(range(len(rows)))
        layout = flat_layout(rows.shape[1], last_layer)
        task = replace(TASK, peers=population or len(rows))
        rng = Rng(seed).at("round", round=index)
        return Round(index, 100, who, torch.zeros(rows.shape[1]), layout, rng, task, tolerated, **more)

    return make


@pytest.fixture
def aggregate(make_round: Callable[..., Round]) -> Callable[..., torch.Tensor]:
    """What a rule makes of rows, given as nested lists or a tensor."""

    def run(rule: object, rows: object, **settings: object) -> torch.Tensor:
        matrix = torch.as_tensor(rows, dtype=torch.float32)
        round_ = make_round(matrix, **settings)
        return rule.aggregate(Upload(matrix, round_.peers), round_).vector

    return run


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=1, help="How often the tests of faults kill a run at random moments.")
