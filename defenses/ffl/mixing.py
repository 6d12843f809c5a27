"""Fragment mixing: two peers swap random coordinates of their updates, so that no upload is any one peer's update."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from fflbench.contracts import Rng, Round, Stage, TaskView, Upload, Visibility
from fflbench.defenses.faults import tallied
from fflbench.defenses.ffl.agreement import exchange_mask, mask_seed
from fflbench.defenses.ffl.envelope import CipherName
from fflbench.defenses.ffl.fragments import exchange_in_place
from fflbench.defenses.ffl.pairing import Pair, complete_pairs, draw_pairs
from fflbench.defenses.ffl.peer import Peer, Terms, layout_digest, room_for
from fflbench.defenses.ffl.protocol import exchange
from fflbench.defenses.ffl.room import Room
from fflbench.defenses.ffl.server import Server
from fflbench.defenses.keys import lasting_key, private_key


@dataclass
class FragmentMixing(Stage):
    """Each pair of agreeing peers swaps every coordinate with probability `exchange`; peers that stay unpaired sit the
    round out. With `max_draws` pairs are drawn at most that often (the paper's code: 20); without, until no two unpaired
    peers agree. An attacker's fragments end up in two uploads, so a rule behind this stage that tolerates f bad uploads
    survives f / 2 attackers.

    With `encrypted` the protocol runs for real: keys, sealed fragments over the server, faults. It comes to the same result.
    """

    paper: ClassVar[str] = "https://arxiv.org/abs/2207.05978"
    reveals: ClassVar[Visibility] = Visibility.MIXED
    assumes: ClassVar[str] = "the server does not collude with a peer; one half of an update tells little without the other"
    cost: ClassVar[str] = "O(d) a peer, and its share of the fragments sent once more"
    workspace: ClassVar[float] = 0.1

    exchange: Annotated[float, Field(gt=0, lt=1)] = 0.5
    max_draws: Annotated[int, Field(ge=1)] | None = None
    encrypted: bool = False
    cipher: CipherName = "aes-256-gcm"

    faults: dict[str, int] = field(default_factory=dict, init=False, repr=False)
    """How often what went wrong."""

    def unfit(self, peers: int, task: TaskView) -> str | None:
        return None if peers >= 2 else f"fragments are swapped between two peers, {peers} takes part"

    def notes(self) -> dict[str, object]:
        return {"protocol faults": dict(self.faults)} if self.encrypted else {}

    def share(self, upload: Upload, round: Round) -> Upload:
        return self._for_real(upload, round) if self.encrypted else self._simulated(upload, round)

    def _simulated(self, upload: Upload, round: Round) -> Upload:
        """What the protocol comes to when nothing goes wrong, without sealing."""
        pairs = self._pairs(upload.peers, round, attempt=0)
        row = {peer: i for i, peer in enumerate(upload.peers)}
        rows, swapped = upload.rows, 0
        for k, j in pairs:
            swapped += 2 * exchange_in_place(rows[row[k]], rows[row[j]], self.exchange, self._seed((k, j), round))
        return self._shared(upload, pairs, {peer for pair in pairs for peer in pair}).with_sent("exchange", 4 * swapped)

    def undone(self, upload: Upload, known: dict[int, Tensor], round: Round) -> Upload:
        """A peer knows its pair's mask and both halves of what went through it: exchanged again, all is as before."""
        rows, row, left = upload.rows.clone(), {peer: i for i, peer in enumerate(upload.peers)}, list[Pair]()
        for k, j in upload.pairs:
            if (k in known or j in known) and k in row and j in row:
                exchange_in_place(rows[row[k]], rows[row[j]], self.exchange, self._seed((k, j), round))
            else:
                left.append((k, j))
        return replace(upload, rows=rows, pairs=tuple(left))

    def own_entries(self, upload: Upload, peer: int, round: Round) -> Tensor | None:
        pair = next((pair for pair in upload.pairs if peer in pair), None)
        if pair is None:
            return None
        return ~exchange_mask(upload.rows.shape[1], self.exchange, self._seed(pair, round)).to(upload.rows.device)

    def _seed(self, pair: Pair, round: Round) -> bytes:
        """From which the mask comes of a pair that meets in the first attempt."""
        return mask_seed(private_key(round.rng, pair[0]), private_key(round.rng, pair[1]).public_key())

    def _for_real(self, upload: Upload, round: Round) -> Upload:
        done = exchange(
            self._peers(upload, round),
            lambda free, attempt: self._pairs(free, round, attempt),
            lambda peer, attempt: private_key(round.rng.at("attempt", attempt=attempt), peer),
            server=Server(remembers=False),
        )
        tallied(done.faults, self.faults)
        for i, peer in enumerate(upload.peers):
            if peer in done.rows and done.rows[peer].data_ptr() != upload.rows[i].data_ptr():
                upload.rows[i] = done.rows[peer].to(upload.rows.device)
        shared = replace(self._shared(upload, done.pairs, set(done.rows)), culprits=(*upload.culprits, *done.culprits))
        for phase in ("key agreement", "exchange"):
            shared = shared.with_sent(phase, done.sent.get(phase, 0))
        return shared

    def _peers(self, upload: Upload, round: Round) -> list[Peer]:
        terms = Terms(round.index, 0, layout_digest(round.layout), upload.rows.shape[1], self.exchange, self.cipher)
        lasting = {peer: lasting_key(Rng(round.rng.seed).at("lasting-key"), peer) for peer in upload.peers}
        directory, room = {peer: key.public_key() for peer, key in lasting.items()}, Room(room_for(terms.size))
        return [Peer(name, row.cpu(), terms, lasting[name], private_key(round.rng, name), directory, room)
                for name, row in zip(upload.peers, upload.rows, strict=True)]  # fmt: skip

    def _pairs(self, peers: Sequence[int], round: Round, attempt: int) -> list[Pair]:
        generator = (round.rng.at("pairing", attempt=attempt) if attempt else round.rng.at("pairing")).numpy()
        if self.max_draws is None:
            return complete_pairs(peers, round.consents, generator)
        return draw_pairs(peers, round.consents, generator, self.max_draws)

    def _shared(self, upload: Upload, pairs: list[Pair], present: set[int]) -> Upload:
        keep = [i for i, peer in enumerate(upload.peers) if peer in present]
        absent = tuple(peer for peer in upload.peers if peer not in present)
        sent = replace(upload, pairs=tuple(pairs), absent=(*upload.absent, *absent),
                       visibility=min(upload.visibility, self.reveals))  # fmt: skip
        return sent.narrowed(keep)
