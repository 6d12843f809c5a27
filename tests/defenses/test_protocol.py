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
from fflbench.defenses.ffl import envelope
from fflbench.defenses.ffl.agreement import exchange_mask, mask_seed
from fflbench.defenses.ffl.envelope import CipherName, Fragment, Header, UnopenedError
from fflbench.defenses.ffl.mixing import FragmentMixing
from fflbench.defenses.ffl.peer import Announcement, Mixed, Peer
from fflbench.defenses.ffl.room import Room
from fflbench.defenses.ffl.server import Message, Server
from fflbench.defenses.keys import private_key
from fflbench.defenses.wire import Wire
from fflbench.layout import Parameter
from tests.defenses.protocol_faults import ROUND, SCENARIOS, SIZE, Changing, Scenario, flipped, peers_of, rows_of, run


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


@pytest.mark.parametrize("cipher", ["aes-256-gcm", "chacha20-poly1305"])
def test_a_library_that_cannot_write_into_memory_given_to_it_seals_the_same(
    cipher: CipherName, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Older:
        def __init__(self, cipher: CipherName, key: bytes) -> None:
            found = newer(cipher, key)
            self.encrypt, self.decrypt = found.encrypt, found.decrypt

    newer, room, header = envelope._aead, Room(40), Header(1, 0, 2, 3, bytes(32), 4)
    sealed = envelope.seal(b"0123456789abcdef", header, bytes(32), cipher, room)
    monkeypatch.setattr(envelope, "_aead", Older)
    assert envelope.seal(b"0123456789abcdef", header, bytes(32), cipher, room) == sealed
    assert bytes(envelope.unseal(sealed, bytes(32), cipher, room)) == b"0123456789abcdef"
    with pytest.raises(UnopenedError, match="does not open"):
        envelope.unseal(sealed, bytes([*bytes(31), 1]), cipher, room)


# ------------------------------------------------------------------------------------------------------ what the server sees


def test_a_server_that_forgets_fragments_counts_them_all_the_same() -> None:
    one, other = run(peers_of(rows_of(4))), run(peers_of(rows_of(4)), server=Server(remembers=False))
    assert {name: row.tolist() for name, row in one.rows.items()} == {name: row.tolist() for name, row in other.rows.items()}
    assert one.sent == other.sent
    assert [message for message in one.server.seen if isinstance(message, Announcement)] == other.server.seen[:4]
    assert [type(message) for message in other.server.seen[4:]] == [Mixed] * 4


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
    done = run(peers_of(rows))
    view = reachable(done.server)
    assert not any(isinstance(item, Peer | X25519PrivateKey) for item in view)
    tensors = [item for item in view if isinstance(item, torch.Tensor)]
    assert len(tensors) == 4
    assert {tuple(t.tolist()) for t in tensors} == {tuple(row.tolist()) for row in done.rows.values()}
    assert not any(torch.equal(t, row) for t in tensors for row in rows)
    kinds = {type(message) for message in done.server.seen}
    assert kinds == {Announcement, Fragment, Mixed}
    keys = [private_key(Rng(0).at("round", round=ROUND), name) for name in range(4)]
    secret = [mask_seed(keys[0], keys[1].public_key()), *(key.private_bytes_raw() for key in keys)]
    raw = b"".join(bytes(item) for item in view if isinstance(item, bytes | bytearray | memoryview))
    assert not any(known in raw for known in secret)
    assert not any(row.numpy().tobytes()[:64] in raw for row in rows)


def test_two_rounds_that_differ_only_in_which_values_are_whose_look_alike_but_for_what_is_sealed() -> None:
    """Swap two peers' values wherever they are exchanged anyway: uploads trade places, and nothing else shows."""
    rows = rows_of(2)
    keys = [private_key(Rng(0).at("round", round=ROUND), name) for name in (0, 1)]
    mask = exchange_mask(SIZE, 0.4, mask_seed(keys[0], keys[1].public_key()))
    swapped = torch.stack([torch.where(mask, rows[1], rows[0]), torch.where(mask, rows[0], rows[1])])
    first, second = run(peers_of(rows)), run(peers_of(swapped))
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

    done = run(peers_of(rows_of(2)), InTheMiddle())
    assert done.rows == {}
    assert all("does not open" in fault.what or "of another count" in fault.what for fault in done.faults)
    assert done.culprits == (), "whose fault it is, peers cannot tell"


# -------------------------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_fault_has_an_outcome(scenario: Scenario) -> None:
    rows, done = scenario.run()
    assert done.culprits == scenario.culprits
    assert not set(done.rows) & set(scenario.left_out)
    assert len(done.rows) == scenario.arrive
    if scenario.whole:
        kept = torch.stack([row for name, row in enumerate(rows) if name in done.rows])
        assert torch.equal(torch.stack(list(done.rows.values())).sort(0).values, kept.sort(0).values)
    else:
        assert any("is lost" in fault.what for fault in done.faults), "nothing is lost silently"
    assert bool(done.faults) == (scenario.name != "fragment delivered twice")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fragment tampered with", "does not open"),
        ("fragment of the last round played again", "is of another round: found 2, needs 3"),
        ("the same under this round's header", "does not open"),
        ("fragment for somebody else", "is of another receiver: found 4, needs 0"),
        ("fragment under another's name", "is of another sender: found 2, needs 1"),
        ("fragment of another layout", "is of another layout"),
        ("seals garbage", "holds"),
        ("announces a key that is none", "the key announced is no key"),
        ("drops between key and fragment", "got no fragment from 1"),
    ],
)
def test_what_is_said_of_a_fault(name: str, words: str) -> None:
    scenario = next(scenario for scenario in SCENARIOS if scenario.name == name)
    assert any(words in fault.what for fault in scenario.run()[1].faults)


def test_who_was_left_without_a_partner_is_paired_again_with_new_keys() -> None:
    rows = rows_of(4)
    done = run(peers_of(rows), Changing(1, flipped))
    assert done.pairs == [(2, 3), (1, 0)]
    announced = [message.key for message in done.server.seen if isinstance(message, Announcement)]
    assert len(announced) == 6
    assert len(set(announced)) == 6


def test_peers_of_different_layouts_do_not_mix() -> None:
    rows = rows_of(2)
    other = Layout((Parameter("bias", (SIZE,), 0, SIZE, True),))
    odd = peers_of(rows)[:1] + peers_of(rows, layout=other)[1:]
    done = run(odd)
    assert done.rows == {}
    assert all("is of another layout" in fault.what for fault in done.faults)


def test_no_upload_is_ever_somebodys_own_however_little_is_exchanged() -> None:
    for seed in range(40):
        mask = exchange_mask(2, 0.01, Rng(seed).numpy().bytes(32))
        assert mask.sum() == 1
