"""The loss and the prediction that go with a model's outputs: one logit is binary, several are classes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def task_loss(outputs: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
    """Cross-entropy of `outputs[n, classes]`, or binary cross-entropy of `outputs[n, 1]`; `targets[n]` int64."""
    if outputs.shape[1] == 1:
        return F.binary_cross_entropy_with_logits(outputs[:, 0], targets.to(outputs.dtype), reduction=reduction)
    return F.cross_entropy(outputs, targets, reduction=reduction)


def predict(outputs: Tensor) -> Tensor:
    """The predicted class [n]: the largest output, or for one logit whether it is positive."""
    if outputs.shape[1] == 1:
        return (outputs[:, 0] > 0).to(torch.int64)
    return outputs.argmax(dim=1)
