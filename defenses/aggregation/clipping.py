"""Clipping before aggregation: no upload is longer than a fixed norm."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from fflbench.contracts import Layout, PreAggregator, Round, Upload
from fflbench.defenses.privacy.clip import clipped


@dataclass
class Clipping(PreAggregator):
    """Each upload is scaled down to at most `norm`. Batch-norm statistics neither count nor shrink."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2405.14432"
    assumes: ClassVar[str] = "norm fits the task: about the honest updates' length"
    cost: ClassVar[str] = "O(n d)"

    norm: Annotated[float, Field(gt=0)] = 2.0

    def transform(self, upload: Upload, round: Round) -> Upload:
        return replace(upload, rows=clipped_updates(upload.rows, self.norm, round.layout))


def clipped_updates(rows: Tensor, norm: float, layout: Layout) -> Tensor:
    """Rows [n, d] whose trainable part is scaled down to at most that norm."""
    trained = layout.trainable
    return torch.cat([clipped(rows[:, trained], norm), rows[:, trained.stop :]], dim=1)
