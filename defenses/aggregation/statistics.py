"""What a rule that judges updates by direction and length does with batch-norm statistics: neither means anything there."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fflbench.contracts import Layout
from fflbench.defenses.aggregation.median import coordinate_median


def with_statistics(step: Tensor, rows: Tensor, layout: Layout, kept: Sequence[int] | None = None) -> Tensor:
    """The whole vector [d]: `step` for the trainable part, for batch-norm statistics the median of `rows` [n, d], or of the
    `kept` ones."""
    statistics = rows[:, layout.trainable.stop :]
    statistics = statistics if kept is None else statistics[list(kept)]
    return torch.cat([step, coordinate_median(statistics)]) if statistics.shape[1] else step
