"""Fragment mixing conserves everything and leaves nobody's update whole."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from hypothesis import given, settings
from hypothesis import strategies as st

from fflbench import extension
from fflbench.contracts import Rng, Upload, Visibility
from fflbench.defenses.ffl import agreement
from fflbench.defenses.ffl.agreement import drawn_mask, exchange_mask, mask_seed
from fflbench.defenses.ffl.fragments import exchange_in_place, put, take
from fflbench.defenses.ffl.mixing import FragmentMixing
from fflbench.defenses.ffl.pairing import combination, complete_pairs, draw_pairs
from fflbench.defenses.ffl.room import Room
from fflbench.defenses.keys import private_key, words
from tests.defenses.flavours import only


def same_bits(first: torch.Tensor, second: torch.Tensor) -> bool:
    return torch.equal(first.view(torch.int32), second.view(torch.int32))


FLAVOURS = [(), *((flavour,) for flavour in extension.FLAVOURS)]
WAYS = [*((flavours, ()) for flavours in FLAVOURS), *((extension.FLAVOURS, (cipher,)) for cipher in extension.CIPHERS)]
"""Flavours of native code, and ciphers."""
SIZES = [2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 100_007]
sizes, shares, seeds = st.integers(2, 300), st.floats(0.01, 0.99), st.integers(0, 1000)


def plain_mask(size: int, share: float, key: bytes) -> torch.Tensor:
    """A mask by its definition."""
    with only():
        return exchange_mask(size, share, key)


@pytest.mark.parametrize(("flavours", "ciphers"), WAYS)
@settings(deadline=None, max_examples=60)
@given(size=sizes | st.sampled_from(SIZES), share=shares, seed=seeds)
def test_swapping_is_its_own_inverse_and_moves_every_entry_whole(
    flavours: tuple[str, ...], ciphers: tuple[str, ...], size: int, share: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, size, generator=generator)
    first[size // 2], second[0] = torch.nan, -torch.inf
    key = Rng(seed).numpy().bytes(32)
    a, b, mask = first.clone(), second.clone(), plain_mask(size, share, key)
    with only(*flavours, ciphers=ciphers):
        moved = exchange_in_place(a, b, share, key)
        assert moved == int(mask.sum())
        assert same_bits(a, torch.where(mask, second, first))
        assert same_bits(b, torch.where(mask, first, second))
        exchange_in_place(a, b, share, key)
    assert same_bits(a, first)
    assert same_bits(b, second)


@pytest.mark.parametrize(("flavours", "ciphers"), WAYS)
@settings(deadline=None, max_examples=60)
@given(size=sizes | st.sampled_from(SIZES), share=shares, seed=seeds)
def test_a_fragment_put_back_is_the_update_again(
    flavours: tuple[str, ...], ciphers: tuple[str, ...], size: int, share: float, seed: int
) -> None:
    row = torch.randn(size, generator=torch.Generator().manual_seed(seed))
    row[-1] = torch.nan
    key = Rng(seed).numpy().bytes(32)
    moved = plain_mask(size, share, key)
    with only(*flavours, ciphers=ciphers):
        mask = drawn_mask(size, share, key)
        assert mask.flags().tolist() == moved.tolist()
        assert mask.count == moved.sum()
        fragment = np.empty(mask.count, dtype=np.float32)
        take(row.numpy(), mask, fragment)
        assert same_bits(torch.from_numpy(fragment), row[moved])
        other = row.clone()
        put(np.arange(mask.count, dtype=np.float32), mask, other.numpy())
        assert same_bits(other[~moved], row[~moved])
        assert other[moved].tolist() == list(range(mask.count))
        put(fragment, mask, other.numpy())
        assert same_bits(other, row)


@pytest.mark.parametrize(("flavours", "ciphers"), WAYS)
def test_rows_whose_neighbours_lie_apart_mix_as_others_do(flavours: tuple[str, ...], ciphers: tuple[str, ...]) -> None:
    rows = torch.randn(2, 100, generator=torch.Generator().manual_seed(0))
    apart = rows.t().contiguous().t()
    with only(*flavours, ciphers=ciphers):
        assert exchange_in_place(*rows, 0.5, bytes(32)) == exchange_in_place(*apart, 0.5, bytes(32))
        assert torch.equal(rows, apart)
        mask = drawn_mask(100, 0.3, bytes(32))
        fragment, other = np.empty((2, mask.count), dtype=np.float32)
        take(rows[0].numpy(), mask, fragment)
        take(apart[0].numpy(), mask, other)
        assert (fragment == other).all()
        put(fragment, mask, rows[1].numpy())
        put(fragment, mask, apart[1].numpy())
        assert torch.equal(rows, apart)


@pytest.mark.parametrize(("flavours", "ciphers"), WAYS)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_where_the_stream_moves_all_or_nothing_another_is_drawn(
    flavours: tuple[str, ...], ciphers: tuple[str, ...], share: float
) -> None:
    """Of two or three coordinates that is so most of the time."""
    redrawn = 0
    for size in (2, 3):
        for seed in range(20):
            key = Rng(seed).numpy().bytes(32)
            first, second = torch.arange(2 * size, dtype=torch.float32).reshape(2, size)
            mask, stream = plain_mask(size, share, key), next(block for _, block in words(size, key))
            redrawn += mask.tolist() != (stream < agreement.threshold(share)).tolist()
            a, b = first.clone(), second.clone()
            with only(*flavours, ciphers=ciphers):
                assert exchange_in_place(a, b, share, key) == mask.sum()
                assert drawn_mask(size, share, key).flags().tolist() == mask.tolist()
            assert torch.equal(a, torch.where(mask, second, first))
            assert torch.equal(b, torch.where(mask, first, second))
    assert redrawn >= 5


@pytest.mark.parametrize("size", [0, 1, *SIZES])
@pytest.mark.parametrize("cipher", extension.CIPHERS)
def test_the_native_stream_is_the_librarys_at_any_threshold(cipher: str, size: int) -> None:
    for seed in range(3):
        key = Rng(seed).numpy().bytes(32)
        drawn = np.concatenate([np.zeros(0, np.uint32), *(block.copy() for _, block in words(size, key))])
        found = [*drawn[:3].tolist(), *(drawn[-3:] + np.uint32(1)).tolist()]
        for limit in (0, 1, 2**16, 2**31, 2**32 - 2**16, 2**32 - 1, *found):
            bits = np.full((size + 7) // 8, 0xAA, dtype=np.uint8)
            moved = extension.native.draw(key, limit, size, bits, cipher)
            assert (bits == np.packbits(drawn < limit, bitorder="little")).all()
            assert moved == (drawn < limit).sum()
            first, second = np.zeros(size, np.float32), np.ones(size, np.float32)
            assert extension.native.exchange(first, second, key, limit, cipher) == moved
            assert (first == (drawn < limit)).all()
            assert (second == (drawn >= limit)).all()


@pytest.mark.parametrize("cipher", extension.CIPHERS)
def test_the_native_cipher_is_the_published_one(cipher: str) -> None:
    """FIPS 197's example of AES-256 holds for the library, whose blocks of zeros the native stream begins with."""
    text = bytes.fromhex("00112233445566778899aabbccddeeff")
    assert block_of(bytes(range(32)), text).hex() == "8ea2b7ca516745bfeafc49904b496089"
    assert block_of(bytes(32), bytes(16)).hex() == "dc95c078a2408989ad48a21492842087"
    for key in (bytes(32), bytes(range(32))):
        word = np.frombuffer(block_of(key, bytes(16)), dtype="<u4").tolist()
        for place in range(4):
            for limit, below in ((word[place], False), (word[place] + 1, True)):
                bits = np.zeros(1, dtype=np.uint8)
                extension.native.draw(key, limit, 4, bits, cipher)
                assert bool(bits[0] >> place & 1) is below


def block_of(key: bytes, block: bytes) -> bytes:
    return Cipher(AES(key), ECB()).encryptor().update(block)


@pytest.mark.skipif(not extension.FLAVOURS, reason="the native code was not built")
def test_native_code_takes_no_fragment_of_another_size() -> None:
    row, bits, flavour = np.zeros(9, np.uint32), np.packbits(np.arange(9) < 4, bitorder="little"), extension.FLAVOURS[0]
    for flavour in extension.FLAVOURS:
        with pytest.raises(ValueError, match="values: need one for each entry that is chosen"):
            extension.native.unpack(row, bits, np.zeros(5, np.uint32), flavour)
        with pytest.raises(ValueError, match="values: need one for each entry that is chosen"):
            extension.native.pack(row, bits, np.zeros(3, np.uint32), flavour)
        with pytest.raises(ValueError, match="chosen: need a bit for each entry of the row"):
            extension.native.pack(row, bits[:1], np.zeros(4, np.uint32), flavour)
        with pytest.raises(ValueError, match="rows: need as many entries as there are words"):
            extension.native.swap(np.zeros(8, np.float32), np.zeros(9, np.float32), row, 7, flavour)


@pytest.mark.parametrize("cipher", extension.CIPHERS)
def test_native_code_draws_under_no_other_seed_and_into_no_other_room(cipher: str) -> None:
    rows = np.zeros((2, 9), np.float32)
    with pytest.raises(ValueError, match="seed: need 32 bytes"):
        extension.native.exchange(*rows, bytes(31), 7, cipher)
    with pytest.raises(ValueError, match="rows: need two of one size"):
        extension.native.exchange(rows[0], rows[1, :8], bytes(32), 7, cipher)
    with pytest.raises(ValueError, match="chosen: need a bit for each entry"):
        extension.native.draw(bytes(32), 7, 9, np.zeros(1, np.uint8), cipher)
    with pytest.raises(ValueError, match="found 'rot13', which this processor lacks"):
        extension.native.draw(bytes(32), 7, 9, np.zeros(2, np.uint8), "rot13")


@pytest.mark.parametrize("flavours", FLAVOURS)
def test_room_is_lent_again_only_when_nobody_refers_to_it(flavours: tuple[str, ...]) -> None:
    with only(*flavours):
        room = Room(64)
        first, second = room.lent(64), room.lent(10)
        first[:], second[:] = 1, 2
        view, place = memoryview(first[8:])[3:], first.ctypes.data
        del first
        third = room.lent(64)
        third[:] = 3
        assert (bytes(view), second.tolist()) == (bytes([1]) * 53, [2] * 10)
        del view
        assert not flavours or room.lent(5).ctypes.data == place
        assert len(room.lent(65)) == 65
        del room
        assert third.tolist() == [3] * 64


def test_the_mean_is_unchanged_and_every_coordinate_keeps_its_place(make_round: Callable[..., object]) -> None:
    rows = torch.randn(8, 500)
    shared = FragmentMixing().share(Upload(rows.clone(), tuple(range(8))), make_round(rows))
    assert torch.equal(shared.rows.sort(dim=0).values, rows.sort(dim=0).values)
    assert shared.visibility is Visibility.MIXED
    assert len(shared.pairs) == 4
    assert not any((row == original).all() for row in shared.rows for original in rows)


def test_fragments_are_swapped_where_they_lie(make_round: Callable[..., object]) -> None:
    rows = torch.randn(5, 50)
    shared = FragmentMixing().share(Upload(rows, (0, 1, 2, 3, 4)), make_round(rows))
    assert shared.rows.data_ptr() == rows.data_ptr()


@pytest.mark.parametrize("share", [0.1, 0.3085, 0.5])
def test_the_share_that_is_exchanged_and_what_it_costs(share: float, make_round: Callable[..., object]) -> None:
    rows = torch.stack([torch.zeros(40000), torch.ones(40000)])
    shared = FragmentMixing(exchange=share).share(Upload(rows, (0, 1)), make_round(rows))
    moved = int(shared.rows[0].sum())
    assert moved / 40000 == pytest.approx(share, abs=0.01)
    assert shared.sent == {"exchange": 4 * 2 * moved}


def test_an_odd_peer_sits_out_rather_than_expose_itself(make_round: Callable[..., object]) -> None:
    rows = torch.randn(5, 20)
    shared = FragmentMixing().share(Upload(rows, (10, 11, 12, 13, 14)), make_round(rows, peers=(10, 11, 12, 13, 14)))
    assert len(shared.peers) == 4
    assert len(shared.absent) == 1
    assert set(shared.peers) | set(shared.absent) == {10, 11, 12, 13, 14}
    assert shared.rows.shape == (4, 20)


def test_nobody_agrees_nobody_uploads(make_round: Callable[..., object]) -> None:
    rows = torch.randn(4, 20)
    shared = FragmentMixing().share(Upload(rows, (0, 1, 2, 3)), make_round(rows, consents=lambda k, j: False))
    assert shared.peers == ()
    assert shared.rows.shape == (0, 20)


def test_both_of_a_pair_derive_the_same_mask_and_no_other_pair_or_round_does() -> None:
    masks = []
    for rng in (Rng(0).at("round", round=r) for r in (0, 1)):
        keys = [private_key(rng, peer) for peer in (0, 1, 2)]
        for k, j in ((0, 1), (0, 2)):
            seeds = mask_seed(keys[k], keys[j].public_key()), mask_seed(keys[j], keys[k].public_key())
            assert seeds[0] == seeds[1]
            masks.append(exchange_mask(64, 0.5, seeds[0]))
    assert len({tuple(mask.tolist()) for mask in masks}) == 4


def test_the_mask_is_the_counter_stream_of_aes_compared_word_by_word() -> None:
    """Against the cipher's published test vector: AES-256 of the zero block under the zero key (FIPS 197's algorithm)."""
    first_block = bytes.fromhex("dc95c078a2408989ad48a21492842087")
    words = np.frombuffer(first_block, dtype="<u4") / 2**32
    assert exchange_mask(4, 0.5, bytes(32)).tolist() == (words < 0.5).tolist()
    assert exchange_mask(4, 0.53, bytes(32)).tolist() == (words < 0.53).tolist()


@settings(deadline=None, max_examples=60)
@given(count=st.integers(0, 12), seed=st.integers(0, 500), refuse=st.sets(st.tuples(st.integers(0, 11), st.integers(0, 11))))
def test_complete_pairing_is_a_maximal_matching_of_those_who_both_agree(
    count: int, seed: int, refuse: set[tuple[int, int]]
) -> None:
    def agree(k: int, j: int) -> bool:
        return (k, j) not in refuse

    pairs = complete_pairs(range(count), agree, np.random.default_rng(seed))
    flat = [peer for pair in pairs for peer in pair]
    assert len(flat) == len(set(flat))
    assert all(agree(k, j) and agree(j, k) for k, j in pairs)
    free = set(range(count)) - set(flat)
    assert not any(agree(k, j) and agree(j, k) for k in free for j in free if k != j)


def test_pairs_are_numbered_like_combinations() -> None:
    for count in (2, 3, 7, 20):
        every = list(combinations(range(0, 2 * count, 2), 2))
        assert [combination(range(0, 2 * count, 2), index) for index in range(len(every))] == every


def test_drawn_pairs_stop_after_the_draws() -> None:
    def refuse(k: int, j: int) -> bool:
        return False

    generator = np.random.default_rng(0)
    assert draw_pairs(range(10), refuse, generator, 20) == []
    assert len(draw_pairs(range(100), lambda k, j: True, generator, 20)) == 20
    assert len(draw_pairs(range(10), lambda k, j: True, generator, 20)) == 5
    assert draw_pairs([4], lambda k, j: True, generator, 20) == []
