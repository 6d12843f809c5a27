"""What the gradient of a classifier's output layer says about the labels of a batch."""

from __future__ import annotations

import torch
from torch import Tensor

from fflbench.contracts import Observation, Parameter, Rng


def labels_of(seen: Observation, rng: Rng) -> Tensor:
    """The labels [n] that the server was told, or else what it infers."""
    return seen.labels if seen.labels is not None else infer_labels(seen, rng.at("labels"))


def infer_labels(seen: Observation, rng: Rng) -> Tensor:
    """The labels [n] of the victim's batch, sorted.

    The bias gradient of class c is the mean of p_c - [y = c], so n (p_c - gradient_c) counts the label c; p_c is estimated
    on noise, which for an untrained network is close to the truth (the counting of Wainakh et al. 2021,
    https://arxiv.org/abs/2105.09369, with the bias in place of the weights). Without an output bias, the classes with the
    least sums of weight gradients are taken; with one logit and no bias, as many of either class as there can be.
    """
    layer = seen.gradient[seen.layout.last_layer]
    classes = len(seen.task.classes)
    last = last_tensor(seen)
    count = seen.examples
    if last.shape == (classes,):
        counts = count * (_mean_prediction(seen, rng) - layer[-classes:])
    elif last.shape == (1,):
        ones = count * (_mean_prediction(seen, rng) - layer[-1:])
        counts = torch.cat([count - ones, ones])
    elif len(layer) % classes == 0 and last.shape[0] == classes:
        sums = layer.view(classes, -1).sum(1)
        impact = sums.clamp(max=0).sum() * (1 + 1 / classes) / count
        counts = sums / impact.clamp(max=-1e-12)
    else:
        counts = torch.full((classes,), count / classes, device=layer.device)
    return whole_counts(counts, count)


def last_tensor(seen: Observation) -> Parameter:
    """The last trainable tensor: a classifier's output bias, or its weight where there is none."""
    return [parameter for parameter in seen.layout.parameters if parameter.trainable][-1]


def _mean_prediction(seen: Observation, rng: Rng) -> Tensor:
    """What the model predicts on average for inputs that mean nothing."""
    shape, generator, device = (256, *seen.task.input_shape), rng.torch(seen.update.device), seen.update.device
    if seen.task.kind == "text":
        noise = torch.randint(0, seen.task.vocabulary, shape, generator=generator, device=device)
    elif seen.task.kind == "tabular":
        noise = torch.randn(shape, generator=generator, device=device)
    else:
        noise = seen.task.normalise(torch.rand(shape, generator=generator, device=device))
    with torch.no_grad():
        outputs: Tensor = seen.model(noise)
    return (outputs.sigmoid() if outputs.shape[1] == 1 else outputs.softmax(1)).mean(0)


def whole_counts(counts: Tensor, total: int) -> Tensor:
    """The labels [total], sorted, that come nearest to these counts [classes]: one at a time to the largest remainder."""
    counts = counts.nan_to_num(0.0, 0.0, 0.0).clamp(min=0)
    whole = torch.zeros_like(counts)
    for _ in range(total):
        whole[int((counts - whole).argmax())] += 1
    return torch.repeat_interleave(torch.arange(len(counts), device=counts.device), whole.long())
