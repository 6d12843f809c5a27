"""iDLG (Zhao et al. 2020): Deep Leakage with the label read from the output layer instead of searched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fflbench.attacks.reconstruction.dlg import DeepLeakage
from fflbench.contracts import Observation, Reconstruction, Rng


@dataclass
class ImprovedDeepLeakage(DeepLeakage):
    """The label of the image is the class whose row of the output layer's gradient is negative; then as Deep Leakage."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2001.02610"
    assumes: ClassVar[str] = "one image; cross-entropy over features that are not negative"
    most_examples: ClassVar[int | None] = 1

    def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
        layer = seen.gradient[seen.layout.last_weight].nan_to_num(0.0)
        label = layer.view(len(seen.task.classes), -1).sum(1).argmin().view(1)
        return self.searched(seen, label, rng)
