"""Secure aggregation (Bonawitz et al. 2017): the server learns the sum of the updates and nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from fflbench.blocks import by_columns
from fflbench.contracts import Rng, Round, Stage, TaskView, Upload, Visibility
from fflbench.defenses.faults import tallied
from fflbench.defenses.secure_aggregation.fixed_point import decode, encode
from fflbench.defenses.secure_aggregation.messages import expected_bytes
from fflbench.defenses.secure_aggregation.peer import Peer, Terms
from fflbench.defenses.secure_aggregation.protocol import aggregate


@dataclass
class SecureAggregation(Stage):
    """The mean of all updates, with nobody's own beside it: what the protocol's masks leave once they cancel. Rules that
    look at single uploads cannot work behind it. The share `dropout` of the round's peers vanishes before it uploads; at
    least the share `threshold` has to stay.

    With `encrypted` the protocol runs for real, on whole numbers: entries between -`bound` and `bound` as multiples of the
    least step at which the sum of all stays within 32 bits.
    """

    paper: ClassVar[str] = "https://eprint.iacr.org/2017/281"
    reveals: ClassVar[Visibility] = Visibility.SUM
    assumes: ClassVar[str] = "enough peers stay until the end of the round; the server keeps to the protocol"
    cost: ClassVar[str] = "O(n d) a peer for masks, O(n^2) for shares; the server O(n d), and as much for each drop-out"
    workspace: ClassVar[float] = 0.1

    threshold: Annotated[float, Field(gt=0.5, le=1)] = 2 / 3
    dropout: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    encrypted: bool = False
    bound: Annotated[float, Field(gt=0)] = 16.0

    faults: dict[str, int] = field(default_factory=dict, init=False, repr=False)
    """How often what went wrong."""
    clamped: int = field(default=0, init=False, repr=False)
    """Entries that did not fit between the bounds."""

    def unfit(self, peers: int, task: TaskView) -> str | None:
        stay, needed = peers - self._dropping(peers), self._needed(peers)
        return None if stay >= needed else f"{stay} of {peers} peers stay, the threshold is {needed}"

    def notes(self) -> dict[str, object]:
        return {"protocol faults": dict(self.faults), "entries clamped": self.clamped} if self.encrypted else {}

    def share(self, upload: Upload, round: Round) -> Upload:
        count = self._dropping(len(upload.peers))
        gone = set(round.rng.at("dropout").numpy().permutation(upload.peers)[:count].tolist())
        return self._for_real(upload, round, gone) if self.encrypted else self._simulated(upload, gone)

    def undone(self, upload: Upload, known: dict[int, Tensor], round: Round) -> Upload:
        """Who knows its own update takes it out of the sum."""
        total, told = len(upload.peers), [row for peer, row in known.items() if peer in upload.peers]
        if not told:
            return upload
        others = tuple(peer for peer in upload.peers if peer not in known)
        left = total * upload.rows[0].double() - torch.stack(told).double().sum(0)
        return replace(upload, rows=(left / len(others)).float()[None], peers=others)

    def _simulated(self, upload: Upload, gone: set[int]) -> Upload:
        """What the protocol comes to, but for rounding, when nothing else goes wrong."""
        keep = [i for i, peer in enumerate(upload.peers) if peer not in gone]
        rows = upload.rows if not gone else upload.rows[keep]
        mean = by_columns(rows, lambda block: block.double().mean(0)).float()
        sent = expected_bytes(len(upload.peers), len(gone))
        return self._summed(upload, mean, tuple(upload.peers[i] for i in keep), sent)

    def _for_real(self, upload: Upload, round: Round, gone: set[int]) -> Upload:
        count, size = upload.rows.shape
        terms = Terms(round.index, self._needed(count))
        peers = [self._peer(name, row, count, terms, round.rng) for name, row in zip(upload.peers, upload.rows, strict=True)]
        done = aggregate(peers, size, vanish=gone)
        tallied(done.faults, self.faults)
        mean = torch.zeros(size, device=upload.rows.device)
        if done.total is not None:
            mean = torch.from_numpy(decode(done.total, self.bound, count) / len(done.peers)).float().to(mean.device)
        summed = self._summed(upload, mean, done.peers, {k: v for k, v in done.sent.items() if k != "upload"})
        return replace(summed, culprits=(*upload.culprits, *done.culprits))

    def _peer(self, name: int, row: Tensor, count: int, terms: Terms, rng: Rng) -> Peer:
        words, outside = encode(row.cpu().numpy(), self.bound, count)
        self.clamped += outside
        return Peer(name, words, terms, rng)

    def _summed(self, upload: Upload, mean: Tensor, peers: tuple[int, ...], sent: dict[str, int]) -> Upload:
        absent = tuple(peer for peer in upload.peers if peer not in peers)
        summed = replace(upload, rows=mean[None], peers=peers, absent=(*upload.absent, *absent), visibility=Visibility.SUM)
        for phase, count in sent.items():
            summed = summed.with_sent(phase, count)
        return summed

    def _dropping(self, peers: int) -> int:
        return int(self.dropout * peers + 1e-9)

    def _needed(self, peers: int) -> int:
        return max(2, math.ceil(self.threshold * peers - 1e-9))
