"""Sending only some entries: top-k (Aji and Heafield 2017) and random-k (Konecny et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from fflbench.contracts import Layout, Round, Stage, Upload

Share = Annotated[float, Field(gt=0, le=1)]
INDEX_BYTES, VALUE_BYTES = 4, 4


@dataclass
class TopK(Stage):
    """Each peer sends the `keep` share of its update's entries that are largest in magnitude. With `memory` what was held
    back is added to its next update. Batch-norm statistics are sent whole."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1704.05021"
    assumes: ClassVar[str] = "few entries carry most of an update"
    cost: ClassVar[str] = "O(d log d) a peer; 8 bytes an entry sent"
    workspace: ClassVar[float] = 0.1

    keep: Share = 0.1
    memory: bool = True

    held: dict[int, Tensor] = field(default_factory=dict, init=False, repr=False)
    """What each peer held back so far."""

    def remembers(self, layout: Layout) -> int:
        return layout.trainable.stop if self.memory else 0

    def share(self, upload: Upload, round: Round) -> Upload:
        rows, trained = upload.rows, round.layout.trainable
        count = max(1, int(self.keep * trained.stop))
        for row, peer in zip(rows[:, trained], upload.peers, strict=True):
            if self.memory and peer in self.held:
                row += self.held[peer]
            kept = torch.zeros_like(row)
            chosen = row.abs().topk(count).indices
            kept[chosen] = row[chosen]
            if self.memory:
                self.held[peer] = row - kept
            row.copy_(kept)
        whole = rows.shape[1] - trained.stop
        return replace(upload, row_bytes=count * (INDEX_BYTES + VALUE_BYTES) + whole * VALUE_BYTES)


@dataclass
class RandomK(Stage):
    """Each peer sends a random `keep` share of its update's entries, divided by `keep` so that nothing is lost on average.
    The server knows which from a shared seed. Batch-norm statistics are sent whole."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1610.05492"
    assumes: ClassVar[str] = "many peers or rounds, over which the gaps average out"
    cost: ClassVar[str] = "O(d) a peer; 4 bytes an entry sent"
    workspace: ClassVar[float] = 0.1

    keep: Share = 0.1

    def share(self, upload: Upload, round: Round) -> Upload:
        rows, trained = upload.rows, round.layout.trainable
        count = max(1, int(self.keep * trained.stop))
        for row, peer in zip(rows[:, trained], upload.peers, strict=True):
            order = round.rng.at("random-k", peer=peer).numpy().permutation(trained.stop)
            dropped, chosen = (torch.from_numpy(part).to(row.device) for part in (order[count:], order[:count]))
            row[dropped] = 0
            row[chosen] *= trained.stop / count
        whole = rows.shape[1] - trained.stop
        return replace(upload, row_bytes=(count + whole) * VALUE_BYTES)
