"""Secure aggregation (Bonawitz et al. 2017): the server learns the sum of the updates and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from fflbench.blocks import by_columns
from fflbench.contracts import Round, Stage, Upload, Visibility


@dataclass
class SecureAggregation(Stage):
    """The mean of all updates, with nobody's own beside it: what the protocol's masks leave once they cancel. Rules that
    look at single uploads cannot work behind it."""

    paper: ClassVar[str] = "https://eprint.iacr.org/2017/281"
    reveals: ClassVar[Visibility] = Visibility.SUM
    assumes: ClassVar[str] = "enough peers stay until the end of the round; the masks are as in the protocol"
    cost: ClassVar[str] = "O(n d); the protocol's key agreement is not counted"
    workspace: ClassVar[float] = 0.1

    def share(self, upload: Upload, round: Round) -> Upload:
        mean = by_columns(upload.rows, lambda block: block.double().mean(0)).float()
        return replace(upload, rows=mean[None], visibility=Visibility.SUM)

    def undone(self, upload: Upload, known: dict[int, Tensor], round: Round) -> Upload:
        """Who knows its own update takes it out of the sum."""
        total, told = len(upload.peers), [row for peer, row in known.items() if peer in upload.peers]
        others = tuple(peer for peer in upload.peers if peer not in known)
        left = total * upload.rows[0].double() - torch.stack(told).double().sum(0)
        return replace(upload, rows=(left / len(others)).float()[None], peers=others)
