"""What the gradient of a classifier's output layer says about the labels of a batch."""

from __future__ import annotations

import torch
from torch import Tensor

from fflbench.contracts import Observation, Rng


def infer_labels(seen: Observation, rng: Rng) -> Tensor:
    """The labels [n] of the victim's batch, sorted.

    The bias gradient of class c is the mean of p_c - [y = c], so n (p_c - gradient_c) counts the label c; p_c is estimated
    on noise, which for an untrained network is close to the truth (the counting of Wainakh et al. 2021,
    https://arxiv.org/abs/2105.09369, with the bias in place of the weights). Without an output bias, the classes with the
    least sums of weight gradients are taken.
    """
    layer = seen.gradient[seen.layout.last_layer]
    classes = len(seen.task.classes)
    last = seen.layout.parameters[[p.trainable for p in seen.layout.parameters].count(True) - 1]
    count = seen.examples
    if last.shape == (classes,):
        probabilities = _mean_prediction(seen, rng)
        counts = count * (probabilities - layer[-classes:].to(probabilities))
    else:
        sums = layer.view(classes, -1).sum(1)
        impact = sums.clamp(max=0).sum() * (1 + 1 / classes) / count
        counts = sums / impact.clamp(max=-1e-12)
    return _round_to(counts.clamp(min=0).nan_to_num(0), count)


def _mean_prediction(seen: Observation, rng: Rng) -> Tensor:
    shape = (256, *seen.task.input_shape)
    noise = torch.rand(shape, generator=rng.torch(seen.update.device), device=seen.update.device)
    with torch.no_grad():
        outputs: Tensor = seen.model(seen.task.normalise(noise))
    return outputs.softmax(1).mean(0)


def _round_to(counts: Tensor, total: int) -> Tensor:
    """Whole numbers with that sum, nearest to the counts: one label at a time to the largest remainder."""
    whole = torch.zeros_like(counts)
    for _ in range(total):
        whole[int((counts - whole).argmax())] += 1
    return torch.repeat_interleave(torch.arange(len(counts), device=counts.device), whole.long())
