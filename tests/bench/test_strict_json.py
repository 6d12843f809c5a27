"""JSON from strangers: what plain JSON readers let through is refused, what they read otherwise is read the same."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fflbench.errors import UserError
from fflbench.strict_json import DEEPEST, canonical, strict_json

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=20
)


@given(VALUES)
def test_what_we_write_is_read_back(value: object) -> None:
    assert strict_json(canonical(value), "x") == value
    assert canonical(strict_json(json.dumps(value, indent=1).encode(), "x")) == canonical(value)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_with_one_line(data: bytes) -> None:
    said = ""
    try:
        strict_json(data, "x")
    except UserError as error:
        said = str(error)
    assert said == "" or (said.startswith("x: ") and "\n" not in said)


def test_brackets_in_texts_are_no_depth() -> None:
    text = '\\"' + "[{" * 200
    assert strict_json(canonical({text: text}), "x") == {text: text}


def test_the_depth_is_counted() -> None:
    assert strict_json(b"[" * DEEPEST + b"]" * DEEPEST, "x")
    with pytest.raises(UserError, match="deeper than 32"):
        strict_json(b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), "x")


def test_a_long_text_of_quotes_that_never_ends_is_refused() -> None:
    """Two million quotes: a check that began anew at each would never come back."""
    with pytest.raises(UserError, match="is not JSON"):
        strict_json(b'"' + b'\\"' * 1_000_000, "x")
