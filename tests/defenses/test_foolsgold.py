"""FoolsGold against a numpy derivation from its paper, and its memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from fflbench.contracts import Upload
from fflbench.defenses.aggregation.foolsgold import FoolsGold, foolsgold_weights


def derived(history: np.ndarray) -> np.ndarray:
    """Algorithm 1 of the paper, entry by entry, with the rescale capped at 1."""
    n = len(history)
    unit = history / np.linalg.norm(history, axis=1, keepdims=True)
    cs = unit @ unit.T - np.eye(n)
    v = cs.max(1)
    pardoned = cs.copy()
    for i in range(n):
        for j in range(n):
            if i != j and v[i] < v[j]:
                pardoned[i, j] *= v[i] / v[j]
    alpha = np.clip(1 - pardoned.max(1), 0, 1)
    alpha = alpha / alpha.max()
    alpha[alpha == 1] = 0.99
    with np.errstate(divide="ignore"):
        return np.clip(np.log(alpha / (1 - alpha)) + 0.5, 0, 1)


def test_weights_equal_the_paper() -> None:
    for seed in range(20):
        history = np.random.default_rng(seed).normal(size=(6, 4)) + 0.5
        np.testing.assert_allclose(foolsgold_weights(torch.from_numpy(history)).numpy(), derived(history), atol=1e-9)


def test_sybils_lose_their_weight_and_lone_peers_keep_it() -> None:
    sybil = torch.tensor([1.0, 1.0, 0.0, 0.0])
    history = torch.stack([sybil, sybil * 3, torch.tensor([0.0, 0.0, 1.0, 0.0]), torch.tensor([0.0, 0.0, 0.0, 1.0])])
    assert foolsgold_weights(history).tolist() == [0, 0, 1, 1]


def test_when_nobody_keeps_weight_all_weigh_the_same(make_round: Callable[..., object]) -> None:
    rows = torch.tensor([[2.0, 2.0, 9.0], [4.0, 4.0, 3.0]])
    result = FoolsGold().aggregate(Upload(rows, (0, 1)), make_round(rows, last_layer=3))
    assert result.vector.tolist() == [3, 3, 6] or result.trust == {0: 0.0, 1: 0.0}
    same = torch.ones(3, 4)
    assert FoolsGold().aggregate(Upload(same, (0, 1, 2)), make_round(same, last_layer=3)).vector.tolist() == [1, 1, 1, 1]


def test_memory_adds_up_over_rounds_for_those_who_took_part(make_round: Callable[..., object]) -> None:
    rule = FoolsGold()
    rows = torch.tensor([[1.0, 0.0, 5.0], [0.0, 1.0, 5.0]])
    rule.aggregate(Upload(rows, (3, 7)), make_round(rows, last_layer=3, peers=(3, 7), population=10))
    rule.aggregate(Upload(rows[:1], (7,)), make_round(rows[:1], last_layer=3, peers=(7,), population=10))
    assert rule.memory[3].tolist() == [1, 0]
    assert rule.memory[7].tolist() == [1, 1]
