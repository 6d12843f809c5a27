"""Sentences from film reviews with the mean rating of about twenty people, carried in the package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from fflbench.contracts import DataKind, Dataset, LoadedData
from fflbench.data.selection import stratified_split
from fflbench.data.storage import read_embedded
from fflbench.data.text import text_data
from fflbench.errors import DataError

FILE = "movieReviewSnippets_GroundTruth.txt"


@dataclass(frozen=True)
class MovieSnippets(Dataset):
    """Sentences of film reviews, positive or negative, carried in the package: 8,453 + 2,115.

    Each of the 10,605 sentences has a mean rating from -4 to 4: above 0 is positive, below 0 negative, and
    the 37 with exactly 0 are left out. The 80/20 split is seeded and keeps the classes' shares. A sentence is
    its last `tokens` words, padded in front; the vocabulary is the `words` most frequent of the training
    part, padding and unknown.
    """

    words: Annotated[int, Field(ge=1)] = 10_000
    tokens: Annotated[int, Field(ge=1, le=4096)] = 32

    kind: ClassVar[DataKind] = "text"
    licence: ClassVar[str] = "MIT (C.J. Hutto)"
    source: ClassVar[str] = "Hutto, Gilbert: VADER (ICWSM 2014); sentences after Pang, Lee (2004)"

    def load(self) -> LoadedData:
        """Inputs int64 [n, tokens]; target 1 is positive."""
        contents = read_embedded("movie-snippets", (FILE,))
        ratings, texts = read_snippets(contents.files[FILE])
        rated = np.flatnonzero(ratings)
        targets = (ratings[rated] > 0).astype(np.int64)
        train, test = stratified_split(targets, 0.8)
        parts = [texts[i] for i in rated[train]], [texts[i] for i in rated[test]]
        return text_data(parts, (targets[train], targets[test]), contents.digest, self.words, self.tokens)


def read_snippets(data: bytes) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], list[str]]:
    """Ratings [n] in [-4, 4] and sentences from lines of number, rating and sentence, separated by tabs."""
    ratings, texts = [], []
    for number, line in enumerate(data.splitlines(), 1):
        fields = line.decode("utf-8", "replace").split("\t")
        try:
            ratings.append(float(fields[1]))
            texts.append(fields[2])
        except (IndexError, ValueError):
            raise DataError(
                f"movie snippets line {number}: found {fields[0][:40]!r}, needs number, rating, sentence"
            ) from None
    return np.array(ratings), texts
