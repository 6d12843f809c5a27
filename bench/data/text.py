"""Words to numbers: one tokeniser, one vocabulary rule and one length rule for all text tasks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import torch

from fflbench.contracts import Examples, LoadedData

SENTIMENTS = ("negative", "positive")
PADDING, UNKNOWN = 0, 1
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)


def words_of(text: str) -> list[str]:
    """Lower-case runs of letters and digits, apostrophes inside a word kept; `<br />` and punctuation are
    removed.

    >>> words_of("It isn't<br />GOOD.")
    ['it', "isn't", 'good']
    """
    return _WORD.findall(_BREAK.sub(" ", text).lower().replace("\u2019", "'"))


def build_vocabulary(texts: Iterable[Sequence[str]], size: int) -> dict[str, int]:
    """The `size` most frequent words (ties in alphabetical order), numbered from 2; 0 is padding and 1
    unknown."""
    counts = Counter(word for words in texts for word in words)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:size]
    return {word: number for number, (word, _) in enumerate(ranked, UNKNOWN + 1)}


def encode(texts: Sequence[Sequence[str]], vocabulary: dict[str, int], length: int) -> npt.NDArray[np.int64]:
    """Token ids [n, length]: the last `length` words of each text, padded in front when there are fewer."""
    encoded = np.full((len(texts), length), PADDING, dtype=np.int64)
    for row, words in zip(encoded, texts, strict=True):
        last = words[-length:]
        if last:
            row[-len(last) :] = [vocabulary.get(word, UNKNOWN) for word in last]
    return encoded


def text_data(
    texts: tuple[Sequence[str], Sequence[str]],
    targets: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    digest: str,
    size: int,
    length: int,
) -> LoadedData:
    """Text data, negative or positive; the vocabulary is that of the training texts only."""
    words = [[words_of(text) for text in part] for part in texts]
    vocabulary = build_vocabulary(words[0], size)
    train, test = (
        Examples(torch.from_numpy(encode(part, vocabulary, length)), torch.from_numpy(labels))
        for part, labels in zip(words, targets, strict=True)
    )
    return LoadedData(train, test, SENTIMENTS, "text", (), (), UNKNOWN + 1 + len(vocabulary), digest)
