"""The exchange of fragments for real: it comes to what the simulation says, the server reads nothing but mixed updates, and
every fault has an outcome."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fflbench.contracts import Layout, Rng, Upload
from fflbench.defenses.ffl.agreement import exchange_mask, mask_seed, private_key
from fflbench.defenses.ffl.envelope import Fragment
from fflbench.defenses.ffl.mixing import FragmentMixing
from fflbench.defenses.ffl.pairing import Pair, complete_pairs
from fflbench.defenses.ffl.peer import Announcement, Mixed, Peer, Terms, layout_digest
from fflbench.defenses.ffl.protocol import Exchange, Wire, exchange
from fflbench.defenses.ffl.server import Message
from fflbench.layout import Parameter

SIZE = 200
LAYOUT = Layout((Parameter("weight", (SIZE,), 0, SIZE, True),))


def rows_of(count: int, size: int = SIZE, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed))


def peers_of(rows: torch.Tensor, members: dict[int, type[Peer]] | None = None, layout: Layout = LAYOUT) -> list[Peer]:
    terms = Terms(3, 0, layout_digest(layout), rows.shape[1], 0.4)
    lasting = {name: private_key(Rng(0).at("lasting"), name) for name in range(len(rows))}
    directory = {name: key.public_key() for name, key in lasting.items()}
    kinds = members or {}
    return [kinds.get(name, Peer)(name, row.clone(), terms, lasting[name], private_key(Rng(0), name), directory)
            for name, row in enumerate(rows)]  # fmt: skip


def neighbours(free: Sequence[int], attempt: int) -> list[Pair]:
    """The first with the second, the third with the fourth, and so on; turned by one in a further attempt."""
    names = [*free[attempt:], *free[:attempt]]
    return [(k, j) for k, j in zip(names[::2], names[1::2], strict=False)]


def run(rows: torch.Tensor, wire: Wire | None = None, members: dict[int, type[Peer]] | None = None) -> Exchange:
    return exchange(peers_of(rows, members), neighbours, lambda peer, attempt: private_key(Rng(attempt), peer), wire)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(2, 9), size=st.integers(2, 400), share=st.floats(0.05, 0.95), seed=st.integers(0, 10**6),
       draws=st.sampled_from([None, 3]), cipher=st.sampled_from(["aes-256-gcm", "chacha20-poly1305"]))  # fmt: skip
def test_the_protocol_comes_to_what_the_simulation_says_bit_for_bit(
    make_round: Callable[..., Any], count: int, size: int, share: float, seed: int, draws: int | None, cipher: str
) -> None:
    rows = rows_of(count, size, seed)
    uploads = [
        FragmentMixing(exchange=share, max_draws=draws, encrypted=encrypted, cipher=cipher).share(  # type: ignore[arg-type]
            Upload(rows.clone(), tuple(range(count))), make_round(rows)
        )
        for encrypted in (False, True)
    ]
    simulated, real = uploads
    assert torch.equal(simulated.rows, real.rows)
    assert (simulated.peers, simulated.pairs, simulated.absent) == (real.peers, real.pairs, real.absent)
    assert real.culprits == ()


def test_values_that_are_no_numbers_move_like_others(make_round: Callable[..., Any]) -> None:
    rows = torch.tensor([[torch.nan, torch.inf, 1.0, -0.0] * 8, [2.0, torch.nan, -torch.inf, 3.0] * 8])
    simulated, real = (
        FragmentMixing(encrypted=encrypted).share(Upload(rows.clone(), (0, 1)), make_round(rows)).rows
        for encrypted in (False, True)
    )
    assert simulated.view(torch.int32).equal(real.view(torch.int32))


def test_what_it_costs_is_a_key_a_peer_and_the_fragment_with_its_header_and_tag(make_round: Callable[..., Any]) -> None:
    rows = rows_of(2, 40_000)
    plain, real = (
        FragmentMixing(exchange=0.5, encrypted=encrypted).share(Upload(rows.clone(), (0, 1)), make_round(rows)).sent
        for encrypted in (False, True)
    )
    assert real["exchange"] - plain["exchange"] == 2 * (68 + 16)
    assert real["key agreement"] == 2 * (32 + 20)


# ------------------------------------------------------------------------------------------------------ what the server sees


def reachable(root: object) -> list[object]:
    """Everything that can be got at from an object, but for code and types."""
    seen: dict[int, object] = {}
    todo = [root]
    while todo:
        item = todo.pop()
        if id(item) in seen or isinstance(item, type) or callable(item):
            continue
        seen[id(item)] = item
        todo += gc.get_referents(item)
    return list(seen.values())


def test_the_servers_whole_view_holds_no_key_no_mask_and_no_update_but_mixed_ones() -> None:
    rows = rows_of(4)
    done = run(rows)
    view = reachable(done.server)
    assert not any(isinstance(item, Peer | X25519PrivateKey) for item in view)
    tensors = [item for item in view if isinstance(item, torch.Tensor)]
    assert len(tensors) == 4
    assert {tuple(t.tolist()) for t in tensors} == {tuple(row.tolist()) for row in done.rows.values()}
    assert not any(torch.equal(t, row) for t in tensors for row in rows)
    kinds = {type(message) for message in done.server.seen}
    assert kinds == {Announcement, Fragment, Mixed}
    keys = [private_key(Rng(0), name) for name in range(4)]
    secret = [mask_seed(keys[0], keys[1].public_key()), *(key.private_bytes_raw() for key in keys)]
    raw = b"".join(bytes(item) for item in view if isinstance(item, bytes | bytearray))
    assert not any(known in raw for known in secret)
    assert not any(row.numpy().tobytes()[:64] in raw for row in rows)


def test_two_rounds_that_differ_only_in_which_values_are_whose_look_alike_but_for_what_is_sealed() -> None:
    """Swap two peers' values wherever they are exchanged anyway: uploads trade places, and nothing else shows."""
    rows = rows_of(2)
    keys = [private_key(Rng(0), name) for name in (0, 1)]
    mask = exchange_mask(SIZE, 0.4, mask_seed(keys[0], keys[1].public_key()))
    swapped = torch.stack([torch.where(mask, rows[1], rows[0]), torch.where(mask, rows[0], rows[1])])
    first, second = run(rows), run(swapped)
    assert torch.equal(first.rows[0], swapped[0])
    assert torch.equal(second.rows[0], rows[0]), "the same upload comes from either pair of updates"
    sizes = [[(type(m), m.size) for m in done.server.seen] for done in (first, second)]
    assert sizes[0] == sizes[1]


def test_a_server_that_hands_out_keys_of_its_own_opens_nothing() -> None:
    class InTheMiddle(Wire):
        own = X25519PrivateKey.generate()

        def carry(self, message: Message) -> Sequence[Message]:
            if isinstance(message, Announcement):
                return (replace(message, key=self.own.public_key().public_bytes_raw()),)
            return (message,)

    done = run(rows_of(2), InTheMiddle())
    assert done.rows == {}
    assert all("does not open" in fault.what or "of another count" in fault.what for fault in done.faults)
    assert done.culprits == (), "whose fault it is, peers cannot tell"


# -------------------------------------------------------------------------------------------------------------------- faults


class Losing(Wire):
    """Loses all messages of a kind that a peer sends."""

    def __init__(self, kind: type, sender: int) -> None:
        self.kind, self.sender = kind, sender

    def carry(self, message: Message) -> Sequence[Message]:
        sender = message.header.sender if isinstance(message, Fragment) else message.sender
        return () if isinstance(message, self.kind) and sender == self.sender else (message,)


class Changing(Wire):
    """Does something to the first fragment that a peer sends."""

    def __init__(self, sender: int, how: Callable[[Fragment], Sequence[Message]]) -> None:
        self.sender, self.how, self.done = sender, how, False

    def carry(self, message: Message) -> Sequence[Message]:
        if isinstance(message, Fragment) and message.header.sender == self.sender and not self.done:
            self.done = True
            return self.how(message)
        return (message,)


def sums(done: Exchange, rows: torch.Tensor, without: Sequence[int] = ()) -> bool:
    """Whether the uploads are the updates of everybody but some, value by value."""
    kept = [row for name, row in enumerate(rows) if name not in without]
    return torch.equal(torch.stack(list(done.rows.values())).sort(0).values, torch.stack(kept).sort(0).values)


def test_a_peer_that_drops_before_the_exchange_takes_no_part_and_costs_nobody_else_anything() -> None:
    rows = rows_of(5)
    done = run(rows, Losing(Announcement, 1))
    assert set(done.rows) == {0, 2, 3, 4}
    assert sums(done, rows, without=[1])
    assert [(f.peer, f.culprit) for f in done.faults] == [(1, None)]


def test_the_partner_of_a_peer_that_drops_in_between_is_paired_again_and_the_silent_one_pays() -> None:
    rows = rows_of(5)
    done = run(rows, Losing(Fragment, 1))
    assert set(done.rows) == {0, 2, 3, 4}
    assert sums(done, rows, without=[1])
    assert done.culprits == (1,)
    assert done.pairs == [(2, 3), (4, 0)]


def test_a_peer_that_drops_after_the_exchange_takes_half_of_a_pair_with_it_and_pays() -> None:
    rows = rows_of(4)
    done = run(rows, Losing(Mixed, 1))
    assert set(done.rows) == {0, 2, 3}
    assert done.culprits == (1,)
    assert "is lost" in done.faults[0].what, "nothing is lost silently"


def flipped(fragment: Fragment) -> Sequence[Message]:
    return (replace(fragment, sealed=bytes([fragment.sealed[0] ^ 1]) + fragment.sealed[1:]),)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (flipped, "does not open"),
        (lambda f: (replace(f, sealed=f.sealed[:-5]),), "does not open"),
        (lambda f: (replace(f, sealed=b""),), "does not open"),
        (lambda f: (replace(f, sealed=bytes(len(f.sealed))),), "does not open"),
        (lambda f: (replace(f, header=replace(f.header, round=2)),), "is of another round: found 2, needs 3"),
        (lambda f: (replace(f, header=replace(f.header, receiver=4)),), "is of another receiver: found 4, needs 0"),
        (lambda f: (replace(f, header=replace(f.header, sender=2)),), "is of another sender: found 2, needs 1"),
        (lambda f: (replace(f, header=replace(f.header, layout=bytes(32))),), "is of another layout"),
    ],
    ids=[
        "tampered",
        "truncated",
        "empty",
        "garbage",
        "of an old round",
        "misdirected",
        "under another name",
        "other layout",
    ],
)
def test_a_fragment_that_does_not_open_costs_both_a_new_attempt_and_nobody_reputation(
    how: Callable[[Fragment], Sequence[Message]], words: str
) -> None:
    rows = rows_of(4)
    done = run(rows, Changing(1, how))
    assert [(f.peer, f.culprit) for f in done.faults] == [(0, None)]
    assert words in done.faults[0].what
    assert sums(done, rows), "everybody's update arrives whole"
    assert done.pairs == [(2, 3), (1, 0)], "with new keys, those two met again"


def test_a_fragment_of_an_earlier_round_played_again_does_not_open() -> None:
    old: list[Fragment] = []
    rows = rows_of(4)
    run(rows, Changing(1, lambda f: (old.append(f), (f,))[1]))  # type: ignore[func-returns-value]
    again = [replace(f, header=replace(f.header, round=3)) for f in old]
    stale = exchange(
        [p.again(replace(p.terms, round=4), private_key(Rng(9), p.name)) for p in peers_of(rows)], neighbours,
        lambda peer, attempt: private_key(Rng(attempt), peer), Changing(1, lambda f: again),
    )  # fmt: skip
    assert "is of another round: found 3, needs 4" in stale.faults[0].what
    disguised = exchange(
        [p.again(replace(p.terms, round=4), private_key(Rng(9), p.name)) for p in peers_of(rows)], neighbours,
        lambda peer, attempt: private_key(Rng(attempt), peer),
        Changing(1, lambda f: [replace(a, header=replace(a.header, round=4, count=f.header.count)) for a in again]),
    )  # fmt: skip
    assert "does not open" in disguised.faults[0].what
    assert sums(disguised, rows)


def test_a_fragment_that_arrives_twice_does_no_harm() -> None:
    rows = rows_of(4)
    done = run(rows, Changing(1, lambda f: (f, f)))
    assert done.faults == []
    assert sums(done, rows)


def test_garbage_under_a_good_seal_is_its_senders_who_is_left_out_and_pays() -> None:
    class Short(Peer):
        def _content(self) -> bytes:
            return super()._content()[:-4]

    rows = rows_of(5)
    done = run(rows, members={1: Short})
    assert done.culprits == (1,)
    assert set(done.rows) == {0, 2, 3, 4}
    assert sums(done, rows, without=[1])


def test_a_key_that_is_none_is_not_met() -> None:
    class Pointless(Peer):
        def announce(self) -> Announcement:
            return replace(super().announce(), key=bytes(32))

    done = run(rows_of(2), members={1: Pointless})
    assert done.rows == {}
    assert any("the key announced is no key" in fault.what for fault in done.faults)


def test_of_two_uploads_the_first_counts_and_their_peer_pays() -> None:
    class Twice(Wire):
        def carry(self, message: Message) -> Sequence[Message]:
            if isinstance(message, Mixed) and message.sender == 1:
                return (message, replace(message, row=torch.zeros(SIZE)))
            return (message,)

    rows = rows_of(4)
    done = run(rows, Twice())
    assert sums(done, rows)
    assert done.culprits == (1,)


@pytest.mark.parametrize("row", [torch.zeros(3), torch.zeros(SIZE, dtype=torch.float64), torch.zeros(1, SIZE)])
def test_an_upload_that_is_no_update_is_left_out_and_its_peer_pays(row: torch.Tensor) -> None:
    class Odd(Peer):
        def upload(self) -> Mixed:
            return replace(super().upload(), row=row)

    done = run(rows_of(4), members={2: Odd})
    assert set(done.rows) == {0, 1, 3}
    assert done.culprits == (2,)


def test_peers_of_different_layouts_do_not_mix() -> None:
    rows = rows_of(2)
    other = Layout((Parameter("bias", (SIZE,), 0, SIZE, True),))
    odd = peers_of(rows)[:1] + peers_of(rows, layout=other)[1:]
    done = exchange(odd, neighbours, lambda peer, attempt: private_key(Rng(attempt), peer))
    assert done.rows == {}
    assert all("is of another layout" in fault.what for fault in done.faults)


def test_no_upload_is_ever_somebodys_own_however_little_is_exchanged() -> None:
    for seed in range(40):
        mask = exchange_mask(2, 0.01, Rng(seed).numpy().bytes(32))
        assert mask.sum() == 1
    assert complete_pairs([0, 1], lambda k, j: True, Rng(0).numpy()) == [(0, 1)]
