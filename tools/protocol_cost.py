"""What FedAvg, FFL and secure aggregation cost a peer and the server in a round, beside training: bytes and CPU seconds on
one thread. Writes docs/runs/protocol-cost.json, from which tools/build_protocol.py makes the table of docs/protocol.md.

python tools/protocol_cost.py [--peers 20 100 1000] [--parameters 100000 1000000 10000000]

One peer does its part for real, with the messages of as many others as there are; the server unmasks for real, on uploads
that share their memory. What a server does for a peer that drops out is measured for one and multiplied.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fflbench.contracts import Rng
from fflbench.defenses.ffl.peer import Peer as MixingPeer
from fflbench.defenses.ffl.peer import Terms as MixingTerms
from fflbench.defenses.keys import private_key
from fflbench.defenses.secure_aggregation.fixed_point import Words, encode
from fflbench.defenses.secure_aggregation.messages import Masked, PublicKeys, Revealed, SealedShares
from fflbench.defenses.secure_aggregation.peer import Peer, Terms, commitment
from fflbench.defenses.secure_aggregation.server import Server
from fflbench.defenses.secure_aggregation.shamir import split

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "runs" / "protocol-cost.json"
EXCHANGE, BOUND, DROPPED = 0.5, 16.0, 0.1
REPEATED = 3

Costs = dict[str, float]


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def averaging(peers: int, size: int) -> Costs:
    """The server adds the updates up; peers just send them."""
    row, total = np.ones(size, dtype=np.float32), np.zeros(size, dtype=np.float32)

    def add() -> None:
        for _ in range(peers):
            np.add(total, row, out=total)

    return {"fedavg bytes": 4 * size, "fedavg server": timed(add)[0]}


def mixing(size: int) -> Costs:
    """Two peers of a pair; half of what they do is one's."""
    terms, rng = MixingTerms(0, 0, bytes(32), size, EXCHANGE), Rng(0)
    lasting = [private_key(rng.at("lasting"), name) for name in (0, 1)]
    directory = {name: key.public_key() for name, key in enumerate(lasting)}
    rows = torch.randn(2, size)
    pair = [MixingPeer(name, rows[name], terms, lasting[name], private_key(rng, name), directory) for name in (0, 1)]

    def exchange() -> int:
        keys = [peer.announce() for peer in pair]
        for peer in pair:
            peer.meet(keys[1 - peer.name])
        fragments = [peer.fragment() for peer in pair]
        for peer in pair:
            peer.receive(fragments[1 - peer.name])
            peer.mix()
        messages = [*keys, *fragments, *(peer.upload() for peer in pair)]
        return sum(message.size for message in messages)

    seconds, sent = timed(exchange)
    return {"ffl bytes": sent / 2, "ffl peer": seconds / 2}


def aggregation(count: int, size: int) -> Costs:
    threshold, rng = math.ceil(2 / 3 * count), Rng(0)
    words = encode(np.random.default_rng(0).normal(size=size).astype(np.float32), BOUND, count)[0]
    me = Peer(0, words, Terms(0, threshold), rng)
    others = [Peer(name, words[:1], Terms(0, 2), rng) for name in range(1, count)]
    keys = [peer.advertise() for peer in (me, *others)]
    relayed = {peer.name: peer.share([keys[0], keys[peer.name]]).sealed[0] for peer in others}

    def take_part() -> int:
        announced = me.advertise()
        shares = me.share(keys)
        assert not me.open(relayed)
        upload = me.masked(range(count))
        return sum(message.size for message in (announced, shares, upload, me.reveal(range(count))))

    peer, sent = timed(take_part)
    server, dropped = unmasking(count, threshold, keys, words)
    return {"secure aggregation bytes": sent, "secure aggregation peer": peer, "secure aggregation server": server,
            "secure aggregation server, a tenth dropped": server + int(DROPPED * count) * dropped}  # fmt: skip


def unmasking(count: int, threshold: int, keys: Sequence[PublicKeys], words: Words) -> tuple[float, float]:
    """Seconds for the sum of all, and for one peer that drops out on top. All have the same own mask, so that its shares are
    made once."""
    secret, lost = bytes(range(32)), private_key(Rng(0).at("masking"), 0).private_bytes_raw()
    random = np.random.default_rng(0)
    mask_shares, key_shares = (split(value, threshold, range(count), random) for value in (secret, lost))

    def server_of(uploaded: range, gone: range) -> Server:
        server = Server(threshold)
        for name in range(count):
            server.keys[name] = keys[name]
            server.shares[name] = SealedShares(name, commitment(secret), {})
        for name in uploaded:
            server.masked[name] = Masked(name, words)
            server.revealed[name] = Revealed(
                name, dict.fromkeys(uploaded, mask_shares[name]), dict.fromkeys(gone, key_shares[name])
            )
        return server

    everybody, rest, first = range(count), range(1, count), range(1)
    whole = timed(lambda: server_of(everybody, range(0)).total(everybody, range(0)))[0]
    without = timed(lambda: server_of(rest, first).total(rest, first))[0]
    return whole, max(0.0, without - whole)


def measured(count: int, size: int) -> dict[str, float]:
    """Medians of a few runs, fewer of long ones."""
    runs: list[Costs] = []
    for _ in range(REPEATED if count * size <= 10**8 else 1):
        runs.append(averaging(count, size) | mixing(size) | aggregation(count, size))
    return {"peers": count, "parameters": size} | {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=int, nargs="+", default=[20, 100, 1000])
    parser.add_argument("--parameters", type=int, nargs="+", default=[10**5, 10**6, 10**7])
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for count in given.peers:
        for size in given.parameters:
            rows.append(measured(count, size))
            print(json.dumps(rows[-1]), flush=True)
    OUT.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
