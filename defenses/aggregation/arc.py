"""Adaptive robust clipping (Allouah et al. 2025): the longest uploads are cut to the longest of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fflbench.contracts import PreAggregator, Round, Upload
from fflbench.defenses.aggregation.row_sums import lengths
from fflbench.defenses.aggregation.tolerance import Tolerance
from fflbench.defenses.privacy.clip import clip


@dataclass
class AdaptiveRobustClipping(Tolerance, PreAggregator):
    """The k = floor(2 (f/n) (n-f)) longest uploads are scaled down to the norm of the longest of the other n-k. Batch-norm
    statistics neither count nor shrink."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2405.14432"
    assumes: ClassVar[str] = "f < n/2; behind it a rule that is robust by itself"
    cost: ClassVar[str] = "O(n d)"
    workspace: ClassVar[float] = 0.1

    def transform(self, upload: Upload, round: Round) -> Upload:
        n = len(upload.rows)
        f = self.bearable(round.tolerated, n)
        trained = upload.rows[:, round.layout.trainable]
        norms = lengths(trained)
        clip(trained, float(norms.sort().values[n - 1 - 2 * f * (n - f) // n]), norms)
        return upload
