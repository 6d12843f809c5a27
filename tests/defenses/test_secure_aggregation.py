"""Secure aggregation for real: the sum comes out whoever drops, the server's view tells nothing else, every fault has an
outcome."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fflbench import extension
from fflbench.contracts import Rng, TaskView, Upload, Visibility
from fflbench.defenses.secure_aggregation.fixed_point import decode, encode, resolution
from fflbench.defenses.secure_aggregation.messages import Masked, Revealed, SealedShares, expected_bytes
from fflbench.defenses.secure_aggregation.peer import Peer, RefusedError, Terms, add_stream
from fflbench.defenses.secure_aggregation.shamir import PRIME, joined, split, value_at
from fflbench.defenses.secure_aggregation.stage import SecureAggregation
from tests.defenses.aggregation_faults import (
    BOUND,
    PEERS,
    SCENARIOS,
    THRESHOLD,
    Losing,
    Scenario,
    peers_of,
    rows_of,
    run,
    sum_of,
)  # fmt: skip
from tests.defenses.flavours import only

TASK = TaskView("image", ("a", "b"), (1,))


class TestShares:
    def test_the_field_is_a_field(self) -> None:
        assert PRIME > 2**256
        assert all(pow(base, PRIME - 1, PRIME) == 1 for base in (2, 3, 5, 7, 11, 13))

    @settings(deadline=None, max_examples=30)
    @given(secret=st.binary(min_size=32, max_size=32), count=st.integers(1, 9), seed=st.integers(0, 99), data=st.data())
    def test_any_that_are_enough_give_the_secret(self, secret: bytes, count: int, seed: int, data: Any) -> None:
        threshold = data.draw(st.integers(1, count))
        holders = data.draw(st.lists(st.integers(0, 2000), min_size=count, max_size=count, unique=True))
        shares = split(secret, threshold, holders, np.random.default_rng(seed))
        some = data.draw(st.permutations(holders))[:threshold]
        assert joined({holder: shares[holder] for holder in some}) == secret
        assert all(value_at({holder: shares[holder] for holder in some}, holder) == shares[holder] for holder in holders)

    def test_fewer_tell_nothing(self) -> None:
        """With two of three shares given, every secret is possible: for each there is a third share that leads to it."""
        shares = split(bytes(32), 3, (0, 1, 2), np.random.default_rng(0))
        two = {0: shares[0], 1: shares[1]}
        for secret in (b"\x01" * 32, bytes(range(32))):
            third = value_at({-1: int.from_bytes(secret, "big"), **two}, 2)
            assert joined({**two, 2: third}) == secret

    @pytest.mark.parametrize("threshold", [0, 4])
    def test_a_threshold_that_cannot_be_is_refused(self, threshold: int) -> None:
        with pytest.raises(ValueError, match=f"threshold: found {threshold}, needs 1 to 3"):
            split(bytes(32), threshold, (0, 1, 2), np.random.default_rng(0))


class TestFixedPoint:
    @settings(deadline=None)
    @given(peers=st.integers(1, 2000), bound=st.floats(0.01, 100), seed=st.integers(0, 99))
    def test_the_sum_of_all_is_right_to_half_a_step_each(self, peers: int, bound: float, seed: int) -> None:
        generator = np.random.default_rng(seed)
        rows = (generator.uniform(-bound, bound, size=(5, 20)) * 0.999).astype(np.float32)
        words = [encode(row, bound, max(5, peers)) for row in rows]
        total = np.sum([word for word, _ in words], axis=0, dtype=np.uint32)
        step = resolution(bound, max(5, peers))
        assert np.abs(decode(total, bound, max(5, peers)) - rows.astype(np.float64).sum(0)).max() <= 2.5 * step * 1.001
        assert [outside for _, outside in words] == [0] * 5

    def test_all_at_the_bound_do_not_overflow(self) -> None:
        for peers in (1, 3, 1000):
            word, _ = encode(np.array([4.0, -4.0], dtype=np.float32), 4.0, peers)
            total = np.sum([word] * peers, axis=0, dtype=np.uint32)
            assert decode(total, 4.0, peers) == pytest.approx([4.0 * peers, -4.0 * peers])

    def test_what_does_not_fit_is_moved_and_counted(self) -> None:
        row = np.array([5.0, -np.inf, np.nan, 1.0], dtype=np.float32)
        words, outside = encode(row, 2.0, 1)
        assert decode(words, 2.0, 1) == pytest.approx([2.0, -2.0, 0.0, 1.0])
        assert outside == 3


class TestProtocol:
    @settings(deadline=None, max_examples=25)
    @given(count=st.integers(2, 9), size=st.integers(1, 300), seed=st.integers(0, 99), data=st.data())
    def test_the_sum_of_those_who_upload(self, count: int, size: int, seed: int, data: Any) -> None:
        threshold = data.draw(st.integers(count // 2 + 1, count))
        gone = set(data.draw(st.permutations(range(count)))[: data.draw(st.integers(0, count - threshold))])
        rows = rows_of(count, size, seed)
        done = run(rows, threshold=threshold, vanish=gone)
        there = [name for name in range(count) if name not in gone]
        assert done.peers == tuple(there)
        assert sum_of(done, count) == pytest.approx(rows[there].astype(np.float64).sum(0), abs=1e-6)
        assert {fault.peer for fault in done.faults} == gone
        beside = {phase: sent for phase, sent in done.sent.items() if phase != "upload"}
        assert beside == expected_bytes(count, len(gone))

    @pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
    def test_every_fault_has_an_outcome(self, scenario: Scenario) -> None:
        rows, done = scenario.run()
        assert done.peers == scenario.counted
        assert done.culprits == scenario.culprits
        assert done.faults or scenario.name == "uploads twice"
        if scenario.counted:
            assert sum_of(done) == pytest.approx(rows[list(scenario.counted)].astype(np.float64).sum(0), abs=1e-6)
        else:
            assert done.total is None
            assert done.faults[-1].what.startswith("no sum: ")

    def test_the_server_sees_nothing_but_words_that_look_like_chance(self) -> None:
        """Of peers that all send the same small update, no upload shows it, none is like another, and the shares that it
        relays differ from round to round."""
        rows = np.full((PEERS, 4000), 0.5, dtype=np.float32)
        done = run(rows)
        uploads = [message.row for message in done.server.seen if isinstance(message, Masked)]
        assert len(uploads) == PEERS
        plain = encode(rows[0], BOUND, PEERS)[0]
        for row in uploads:
            assert (row == plain).mean() < 0.01
            assert np.abs(row.astype(np.float64) / 2**32 - 0.5).mean() == pytest.approx(0.25, abs=0.02)
        for first, second in combinations(uploads, 2):
            assert abs(np.corrcoef(first, second)[0, 1]) < 0.1
        assert sum_of(done) == pytest.approx(rows.sum(0), abs=1e-6)

    def test_without_the_own_mask_a_peer_that_came_late_would_be_unmasked(self) -> None:
        """The server has a masking key of a peer that dropped out, and its upload arrives after all: its own mask still hides
        it, and peers do not tell of it."""
        rows = rows_of()
        late: list[Masked] = []

        class Late(Losing):
            def carry(self, message: Any) -> Any:
                if isinstance(message, Masked) and message.sender == 1:
                    late.append(message)
                return super().carry(message)

        done = run(rows, wire=Late(Masked, 1))
        asked = [message for message in done.server.seen if isinstance(message, Revealed)]
        assert all(1 in message.masking_keys and 1 not in message.own_masks for message in asked)
        assert all(not set(message.masking_keys) & set(message.own_masks) for message in asked)
        difference = late[0].row - encode(rows[1], BOUND, PEERS)[0]
        assert len(np.unique(difference)) > 50

    def test_a_peer_tells_of_masks_once_and_not_for_too_few(self) -> None:
        peers = peers_of(rows_of())
        keys = [peer.advertise() for peer in peers]
        shares = [peer.share(keys) for peer in peers]
        for peer in peers:
            peer.open({s.sender: s.sealed[peer.name] for s in shares if s.sender != peer.name})
            peer.masked(range(PEERS))
        with pytest.raises(RefusedError, match="3 uploads are fewer than the threshold 4"):
            peers[0].reveal((0, 1, 2))
        peers[0].reveal((0, 1, 2, 3))
        with pytest.raises(RefusedError, match="before"):
            peers[0].reveal((0, 1, 2, 4))

    def test_a_peer_masks_only_with_those_who_shared_with_it(self) -> None:
        peers = peers_of(rows_of())
        keys = [peer.advertise() for peer in peers]
        shares: list[SealedShares] = [peer.share(keys) for peer in peers]
        peers[0].open({s.sender: s.sealed[0] for s in shares if s.sender in (1, 2, 3)})
        with pytest.raises(RefusedError):
            peers[0].masked(range(PEERS))
        with pytest.raises(RefusedError, match="fewer"):
            peers[0].masked((0, 1, 2))
        assert peers[0].masked((0, 1, 2, 3)).sender == 0

    def test_too_few_keys_are_refused(self) -> None:
        peers = peers_of(rows_of(THRESHOLD - 1))
        with pytest.raises(RefusedError, match="3 peers are fewer than the threshold 4"):
            peers[0].share([peer.advertise() for peer in peers])

    def test_a_stream_comes_off_again(self) -> None:
        start = np.arange(70_000, dtype=np.uint32)
        total = start.copy()
        add_stream(total, bytes(32))
        assert (total == start).mean() < 0.01
        add_stream(total, bytes(32), subtract=True)
        assert np.array_equal(total, start)

    @pytest.mark.parametrize("size", [0, 1, 15, 16, 31, 33, 127, 128, 129, 20_001])
    @pytest.mark.parametrize("cipher", extension.CIPHERS)
    def test_native_code_adds_the_same_stream(self, cipher: str, size: int) -> None:
        generator = np.random.default_rng(size)
        start, seed = generator.integers(2**32, size=size, dtype=np.uint32), generator.bytes(32)
        for subtract in (False, True):
            expected, found = start.copy(), start.copy()
            with only(*extension.FLAVOURS):
                add_stream(expected, seed, subtract)
            with only(*extension.FLAVOURS, ciphers=(cipher,)):
                add_stream(found, seed, subtract)
            assert np.array_equal(expected, found)
            assert size == 0 or not np.array_equal(found, start)


class TestStage:
    @settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(count=st.integers(3, 8), seed=st.integers(0, 99), dropout=st.sampled_from([0.0, 0.2, 0.3]))
    def test_for_real_it_is_the_simulation_but_for_rounding(
        self, make_round: Callable[..., Any], count: int, seed: int, dropout: float
    ) -> None:
        rows = torch.from_numpy(rows_of(count, 90, seed))
        simulated, real = (
            SecureAggregation(encrypted=encrypted, dropout=dropout).share(
                Upload(rows.clone(), tuple(range(count))), make_round(rows)
            )
            for encrypted in (False, True)
        )
        torch.testing.assert_close(simulated.rows, real.rows, rtol=0, atol=2e-7)
        assert (simulated.peers, simulated.absent, simulated.sent) == (real.peers, real.absent, real.sent)
        assert simulated.visibility is real.visibility is Visibility.SUM
        assert len(simulated.absent) == int(dropout * count + 1e-9)

    def test_who_drops_out_is_not_in_the_mean(self, make_round: Callable[..., Any]) -> None:
        rows = torch.eye(10)
        shared = SecureAggregation(dropout=0.3).share(Upload(rows, tuple(range(10))), make_round(rows))
        assert shared.rows[0].nonzero().flatten().tolist() == list(shared.peers)
        assert shared.rows[0].sum() == pytest.approx(1)
        assert len(shared.peers) == 7

    def test_too_few_to_stay_is_known_before(self) -> None:
        assert SecureAggregation(dropout=0.3).unfit(10, TASK) is None
        assert SecureAggregation(dropout=0.4).unfit(10, TASK) == "6 of 10 peers stay, the threshold is 7"
        assert SecureAggregation().unfit(1, TASK) == "1 of 1 peers stay, the threshold is 2"

    def test_what_did_not_fit_is_in_the_notes(self, make_round: Callable[..., Any]) -> None:
        rows = torch.tensor([[1.0, 50.0], [2.0, 0.0]])
        stage = SecureAggregation(encrypted=True, bound=4.0)
        shared = stage.share(Upload(rows, (0, 1)), make_round(rows))
        assert shared.rows[0].tolist() == pytest.approx([1.5, 2.0], abs=1e-6)
        assert stage.notes() == {"protocol faults": {}, "entries clamped": 1}
        assert SecureAggregation().notes() == {}

    def test_rounds_have_keys_of_their_own(self) -> None:
        words = encode(rows_of()[0], BOUND, PEERS)[0]
        keys = [Peer(0, words, Terms(index, 2), Rng(0).at("round", round=index)).advertise() for index in (0, 1)]
        assert len({key for announced in keys for key in (announced.sealing, announced.masking)}) == 4
