"""Fragment mixing conserves everything and leaves nobody's update whole."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fflbench import extension
from fflbench.contracts import Rng, Upload, Visibility
from fflbench.defenses.ffl.agreement import exchange_mask, mask_seed
from fflbench.defenses.ffl.fragments import exchange_in_place, put, taken
from fflbench.defenses.ffl.mixing import FragmentMixing
from fflbench.defenses.ffl.pairing import combination, complete_pairs, draw_pairs
from fflbench.defenses.keys import private_key
from tests.defenses.flavours import only


def same_bits(first: torch.Tensor, second: torch.Tensor) -> bool:
    return torch.equal(first.view(torch.int32), second.view(torch.int32))


FLAVOURS = [(), *((flavour,) for flavour in extension.FLAVOURS)]
sizes, shares, seeds = st.integers(2, 300), st.floats(0.01, 0.99), st.integers(0, 1000)


@pytest.mark.parametrize("flavours", FLAVOURS)
@settings(deadline=None, max_examples=60)
@given(size=sizes, share=shares, seed=seeds)
def test_swapping_is_its_own_inverse_and_moves_every_entry_whole(
    flavours: tuple[str, ...], size: int, share: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, size, generator=generator)
    first[size // 2], second[0] = torch.nan, -torch.inf
    key = Rng(seed).numpy().bytes(32)
    a, b, mask = first.clone(), second.clone(), exchange_mask(size, share, key)
    with only(*flavours):
        moved = exchange_in_place(a, b, share, key)
        assert moved == int(mask.sum())
        assert same_bits(a, torch.where(mask, second, first))
        assert same_bits(b, torch.where(mask, first, second))
        exchange_in_place(a, b, share, key)
    assert same_bits(a, first)
    assert same_bits(b, second)


@pytest.mark.parametrize("flavours", FLAVOURS)
@settings(deadline=None, max_examples=60)
@given(size=sizes, share=shares, seed=seeds)
def test_a_fragment_put_back_is_the_update_again(flavours: tuple[str, ...], size: int, share: float, seed: int) -> None:
    row = torch.randn(size, generator=torch.Generator().manual_seed(seed))
    row[-1] = torch.nan
    mask = exchange_mask(size, share, Rng(seed).numpy().bytes(32))
    with only(*flavours):
        fragment = taken(row.numpy(), mask.numpy())
        assert same_bits(torch.from_numpy(fragment), row[mask])
        other = row.clone()
        put(np.arange(int(mask.sum()), dtype=np.float32), mask.numpy(), other.numpy())
        assert same_bits(other[~mask], row[~mask])
        assert other[mask].tolist() == list(range(int(mask.sum())))
        put(fragment, mask.numpy(), other.numpy())
        assert same_bits(other, row)


@pytest.mark.skipif(not extension.FLAVOURS, reason="the native code was not built")
def test_native_code_takes_no_fragment_of_another_size() -> None:
    row, mask, flavour = np.zeros(9, np.uint32), np.arange(9) < 4, extension.FLAVOURS[0]
    with pytest.raises(ValueError, match="values: need one for each entry that is chosen"):
        extension.native.unpack(row, mask, np.zeros(5, np.uint32), flavour)
    with pytest.raises(ValueError, match="chosen: need one for each entry of the row"):
        extension.native.pack(row, mask[:8], flavour)
    with pytest.raises(ValueError, match="rows: need as many entries as there are words"):
        extension.native.swap(np.zeros(8, np.float32), np.zeros(9, np.float32), row, 7, flavour)


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
