"""State as a file: comes back as it was, and is never code."""

from __future__ import annotations

import io
import zipfile
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fflbench.state import Kept, NotKeepableError, read_state, write_state

PLAIN = st.none() | st.booleans() | st.integers() | st.text() | st.floats()
KEYS = st.integers() | st.text() | st.tuples(st.integers(), st.text())
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner)
    | st.builds(deque, st.lists(inner), st.integers(0, 5)) | st.builds(Counter, st.text()),
    max_leaves=12,
)  # fmt: skip


def there_and_back(state: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    write_state(file, state)
    file.seek(0)
    return read_state(file, torch.device("cpu"))


@given(value=VALUES)
def test_plain_values_come_back_with_their_types(value: object) -> None:
    back = there_and_back({"value": value})["value"]
    assert repr(back) == repr(value)  # Also where NaN is not equal to itself.
    assert type(back) is type(value)


@given(value=st.sets(st.integers() | st.text()) | st.frozensets(st.integers()))
def test_sets_come_back(value: object) -> None:
    back = there_and_back({"value": value})["value"]
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.bool, torch.uint8])
def test_tensors_come_back_bit_for_bit(dtype: torch.dtype) -> None:
    tensor = (torch.randn(3, 4, generator=torch.Generator().manual_seed(0)) * 100).to(dtype)
    odd = {"scalar": tensor[0, 0], "view": tensor.T[1:], "empty": tensor[:0], "nested": [(tensor, {3: tensor})]}
    back = there_and_back(odd)
    for name in ("scalar", "view", "empty"):
        assert back[name].dtype is dtype
        assert torch.equal(back[name], odd[name])
    assert torch.equal(back["nested"][0][1][3], tensor)


def test_arrays_and_infinities_come_back() -> None:
    back = there_and_back({"a": np.arange(6.0).reshape(2, 3), "n": np.float32(0.1), "x": [float("inf"), float("nan")]})
    assert np.array_equal(back["a"], np.arange(6.0).reshape(2, 3))
    assert back["n"] == np.float32(0.1)
    assert back["x"][0] == float("inf")
    assert np.isnan(back["x"][1])


@pytest.mark.parametrize("value", [
    object(), lambda: 0, torch.nn.Linear(1, 1), torch.zeros(2, requires_grad=True), np.array([object()]), range(3),
    torch.zeros(2).to_sparse(),
])  # fmt: skip
def test_what_no_file_can_hold_is_named_with_its_place(value: object) -> None:
    with pytest.raises(NotKeepableError, match=r"state\.part\.1 holds a "):
        there_and_back({"part": [0, value]})


def test_a_file_that_is_not_a_state_is_refused() -> None:
    good = io.BytesIO()
    write_state(good, {"a": torch.arange(1000)})
    whole = good.getvalue()
    flipped = bytearray(whole)
    flipped[len(flipped) // 2] ^= 0xFF
    for data in (b"", b"{}", whole[:-40], whole[: len(whole) // 2], bytes(flipped)):
        with pytest.raises(ValueError, match=r"\w"):
            read_state(io.BytesIO(data), torch.device("cpu"))


def test_an_array_of_objects_is_never_unpickled() -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (pytest.fail, ("ran code from a file",))

    entry = io.BytesIO()
    np.save(entry, np.array([Bomb()]), allow_pickle=True)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("state.json", '["dict", [["a", ["array", 0]]]]')
        archive.writestr("0.npy", entry.getvalue())
    with pytest.raises(ValueError, match="allow_pickle"):
        read_state(file, torch.device("cpu"))


class Mood(Enum):
    good = 1
    bad = 2


@dataclass
class Part:
    limit: float = 0.5
    mood: Mood = Mood.good
    seen: Any = None


def test_only_what_is_not_as_it_was_made_is_kept() -> None:
    part = Part()
    kept = Kept({"part": part})
    assert kept.save() == {"part": {}}
    part.seen = {3: torch.ones(2)}
    part.limit = 0.25
    saved = there_and_back({"kept": kept.save()})["kept"]
    assert set(saved["part"]) == {"seen", "limit"}
    again = Part()
    Kept({"part": again}).restore(saved)
    assert again.limit == 0.25
    assert again.mood is Mood.good
    assert torch.equal(again.seen[3], torch.ones(2))


def test_a_changed_enum_or_an_object_without_attributes_is_not_kept_silently() -> None:
    part = Part()
    kept = Kept({"part": part})
    part.mood = Mood.bad
    with pytest.raises(NotKeepableError, match=r"mood holds a Mood"):
        there_and_back({"kept": kept.save()})
    with pytest.raises(NotKeepableError, match="slots"):
        Kept({"part": object()}).save()


def test_a_defaultdict_keeps_what_it_makes() -> None:
    part = Part(seen=defaultdict(list, {1: [2]}))
    saved = there_and_back({"kept": Kept({"part": part}).save()})["kept"]
    again = Part(seen=defaultdict(list))
    Kept({"part": again}).restore(saved)
    again.seen[7].append(8)
    assert again.seen == {1: [2], 7: [8]}
