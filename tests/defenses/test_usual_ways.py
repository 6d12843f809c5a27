"""The rules come to what the ways come to in which they are usually written, which `make bench` measures beside them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from fflbench.contracts import Aggregator, Round, Upload
from fflbench.registry import load
from tests.benchmarks.usual import USUAL


@pytest.mark.parametrize("name", USUAL)
@pytest.mark.parametrize("n", [7, 11, 15])
def test_comes_to_the_same(name: str, n: int, make_round: Callable[..., Round]) -> None:
    rows = 0.3 + torch.randn(n, 400, generator=torch.Generator().manual_seed(n))
    rows[-2:] *= 5
    round_ = make_round(rows, tolerated=(n - 3) // 4, last_layer=51)
    round_.root_update = lambda: torch.full((400,), 0.5)
    usual = torch.as_tensor(np.asarray(USUAL[name](list(rows.clone()), round_)))
    rule, upload = load("defenses", name)(), Upload(rows, round_.peers)
    ours = rule.aggregate(upload, round_).vector if isinstance(rule, Aggregator) else rule.transform(upload, round_).rows
    torch.testing.assert_close(ours, usual.to(ours.dtype), atol=2e-5, rtol=2e-4)
