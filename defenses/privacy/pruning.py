"""Gradient pruning, the defense that Deep Leakage from Gradients proposes (Zhu et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from pydantic import Field

from fflbench.blocks import row_blocks
from fflbench.contracts import Round, Stage, Upload


@dataclass
class GradientPruning(Stage):
    """In every tensor of a peer's update the `prune` share of entries that are smallest in magnitude becomes 0. Batch-norm
    statistics are sent whole."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1906.08935"
    assumes: ClassVar[str] = "small entries give the data away, large ones carry the learning"
    cost: ClassVar[str] = "O(d log d) a peer; 8 bytes an entry sent"
    workspace: ClassVar[float] = 0.1

    prune: Annotated[float, Field(gt=0, lt=1)] = 0.9

    def share(self, upload: Upload, round: Round) -> Upload:
        row_bytes = 0
        for parameter in round.layout.parameters:
            part = upload.rows[:, parameter.offset : parameter.offset + parameter.size]
            if not parameter.trainable:
                row_bytes += 4 * parameter.size
                continue
            count = min(parameter.size - 1, int(self.prune * parameter.size))
            row_bytes += 8 * (parameter.size - count)
            for block in row_blocks(part):
                block.scatter_(1, block.abs().topk(count, dim=1, largest=False).indices, 0.0)
        return replace(upload, row_bytes=row_bytes)
