"""Several random starts of one descent side by side: on small networks a step of eight costs little more than one's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import vmap

from fflbench.contracts import Observation
from fflbench.federation.pearlmutter import LARGEST

TOGETHER = 8
"""More starts at once gain little, and take memory."""
FEWEST = 4
"""Fewer starts are not worth it."""


def grouped(starts: Tensor, cost: Callable[[Tensor], Tensor], seen: Observation) -> Sequence[Tensor]:
    """Starts [r, n, c, h, w] in groups that are descended at once."""
    small = seen.layout.trainable.stop - seen.layout.trainable.start <= LARGEST
    together = small and len(starts) >= FEWEST and _runs_side_by_side(cost, starts[:2], seen.model)
    return torch.split(starts, TOGETHER if together else 1)


def side_by_side(cost: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """From a cost of images [n, c, h, w] to the costs [r] of [r, n, c, h, w]."""
    several: Callable[[Tensor], Tensor] = vmap(cost)
    return lambda images: cost(images[0])[None] if len(images) == 1 else several(images)


def _runs_side_by_side(cost: Callable[[Tensor], Tensor], starts: Tensor, model: nn.Module) -> bool:
    """Statistics of a batch are written down, which starts at once cannot do; nor do all operations know of more starts."""
    if any(module.training for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)):
        return False
    try:
        vmap(cost)(starts)
    except (RuntimeError, NotImplementedError):
        return False
    return True
