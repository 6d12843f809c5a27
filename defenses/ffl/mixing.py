"""Fragment mixing: two peers swap random coordinates of their updates, so that no upload is any one peer's update."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from fflbench.contracts import Round, Stage, TaskView, Upload, Visibility
from fflbench.defenses.ffl.agreement import ephemeral_key, exchange_mask, mask_seed
from fflbench.defenses.ffl.pairing import complete_pairs, draw_pairs


@dataclass
class FragmentMixing(Stage):
    """Each pair of agreeing peers swaps every coordinate with probability `exchange`; peers that stay unpaired sit the
    round out. With `max_draws` pairs are drawn at most that often (the paper's code: 20); without, until no two unpaired
    peers agree. An attacker's fragments end up in two uploads, so a rule behind this stage that tolerates f bad uploads
    survives f / 2 attackers."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2207.05978"
    reveals: ClassVar[Visibility] = Visibility.MIXED
    assumes: ClassVar[str] = "the server does not collude with a peer; one half of an update tells little without the other"
    cost: ClassVar[str] = "O(d) a peer, and its share of the fragments sent once more"
    workspace: ClassVar[float] = 0.1

    exchange: Annotated[float, Field(gt=0, lt=1)] = 0.5
    max_draws: Annotated[int, Field(ge=1)] | None = None

    def unfit(self, peers: int, task: TaskView) -> str | None:
        return None if peers >= 2 else f"fragments are swapped between two peers, {peers} takes part"

    def share(self, upload: Upload, round: Round) -> Upload:
        generator = round.rng.at("pairing").numpy()
        if self.max_draws is None:
            pairs = complete_pairs(upload.peers, round.consents, generator)
        else:
            pairs = draw_pairs(upload.peers, round.consents, generator, self.max_draws)
        row = {peer: i for i, peer in enumerate(upload.peers)}
        rows, swapped = upload.rows, 0
        for k, j in pairs:
            seed = mask_seed(ephemeral_key(round.rng, k), ephemeral_key(round.rng, j).public_key())
            mask = exchange_mask(rows.shape[1], self.exchange, seed).to(rows.device)
            swap(rows[row[k]], rows[row[j]], mask)
            swapped += 2 * int(mask.sum())
        present = {peer for pair in pairs for peer in pair}
        keep = [i for i, peer in enumerate(upload.peers) if peer in present]
        absent = tuple(peer for peer in upload.peers if peer not in present)
        sent = replace(upload, pairs=tuple(pairs), absent=(*upload.absent, *absent),
                       visibility=min(upload.visibility, self.reveals))  # fmt: skip
        return sent.narrowed(keep).with_sent("exchange", 4 * swapped)


def swap(first: Tensor, second: Tensor, mask: Tensor) -> None:
    """Exchange the masked entries of two vectors in place. Values only move, so their sum is conserved bit for bit."""
    kept = first.clone()
    first[mask] = second[mask]
    second[mask] = kept[mask]
