"""Clipping before aggregation: no upload is longer than a fixed norm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from fflbench.contracts import PreAggregator, Round, Upload
from fflbench.defenses.privacy.clip import clip


@dataclass
class Clipping(PreAggregator):
    """Each upload is scaled down to at most `norm`. Batch-norm statistics neither count nor shrink."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2405.14432"
    assumes: ClassVar[str] = "norm fits the task: about the honest updates' length"
    cost: ClassVar[str] = "O(n d)"
    workspace: ClassVar[float] = 0.1

    norm: Annotated[float, Field(gt=0)] = 2.0

    def transform(self, upload: Upload, round: Round) -> Upload:
        clip(upload.rows[:, round.layout.trainable], self.norm)
        return upload
