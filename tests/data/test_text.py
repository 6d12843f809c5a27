"""The tokeniser, the vocabulary and the length rule that all text tasks share."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fflbench.data.text import PADDING, UNKNOWN, build_vocabulary, encode, words_of


def test_words_are_lower_case_without_markup_and_punctuation() -> None:
    assert words_of("It isn't<br />GOOD, is it?<br>No.") == ["it", "isn't", "good", "is", "it", "no"]
    assert words_of("the clich\u00e9s of ''Conan'' \u2013 it\u2019s 21st_century") == [
        "the", "clich\u00e9s", "of", "conan", "it's", "21st", "century",
    ]  # fmt: skip
    assert words_of(" ... ") == []


def test_the_vocabulary_is_the_most_frequent_words_with_ties_in_alphabetical_order() -> None:
    texts = [["b", "a", "c"], ["c", "a", "b"], ["c", "d"]]
    assert build_vocabulary(texts, 3) == {"c": 2, "a": 3, "b": 4}
    assert build_vocabulary([], 3) == {}


def test_the_last_words_are_kept_and_short_texts_are_padded_in_front() -> None:
    vocabulary = {"good": 2, "film": 3}
    encoded = encode([["a", "good", "film"], ["film"], []], vocabulary, 2)
    assert encoded.tolist() == [[2, 3], [PADDING, 3], [PADDING, PADDING]]
    assert encode([["strange", "film"]], vocabulary, 2).tolist() == [[UNKNOWN, 3]]


@given(st.lists(st.lists(st.text(alphabet="abc", min_size=1, max_size=2), max_size=6), max_size=5), st.integers(1, 5))
def test_encoded_texts_have_one_length_and_known_numbers(texts: list[list[str]], length: int) -> None:
    vocabulary = build_vocabulary(texts, 4)
    encoded = encode(texts, vocabulary, length)
    assert encoded.shape == (len(texts), length)
    for row, words in zip(encoded, texts, strict=True):
        assert (row != PADDING).sum() == min(len(words), length)
        assert all(0 <= number < 2 + len(vocabulary) for number in row)
