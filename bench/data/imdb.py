"""IMDB: is a film review positive?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from fflbench.contracts import DataKind, Dataset, LoadedData
from fflbench.data.selection import even_subset, stratified_split
from fflbench.data.storage import read_stored
from fflbench.data.text import text_data
from fflbench.errors import DataError


@dataclass(frozen=True)
class IMDB(Dataset):
    """Film reviews, positive or negative: 40,000 + 10,000, 128 words each (`fflbench data fetch imdb`).

    As in the FFL experiments the official halves are taken together; the 80/20 split is seeded and even. A
    review is its last `tokens` words, padded in front; the vocabulary is the `words` most frequent of the
    training reviews, padding (0) and unknown (1). `train_examples` and `test_examples` take a fixed subset
    with the classes even.
    """

    words: Annotated[int, Field(ge=1)] = 20_000
    tokens: Annotated[int, Field(ge=1, le=4096)] = 128
    train_examples: Annotated[int, Field(ge=1, le=40_000)] | None = None
    test_examples: Annotated[int, Field(ge=1, le=10_000)] | None = None

    kind: ClassVar[DataKind] = "text"
    licence: ClassVar[str] = "none stated by the authors"
    source: ClassVar[str] = "Maas et al.: Learning word vectors for sentiment analysis (ACL 2011)"

    def load(self) -> LoadedData:
        """Inputs int64 [n, tokens]; target 1 is positive."""
        contents = read_stored("imdb", ("imdb",), ("reviews.json",))
        texts, targets = _reviews(contents.files["reviews.json"])
        train, test = stratified_split(targets, 0.8)
        if self.train_examples is not None:
            train = train[even_subset(targets[train], self.train_examples, "imdb.train_examples")]
        if self.test_examples is not None:
            test = test[even_subset(targets[test], self.test_examples, "imdb.test_examples")]
        parts = [texts[i] for i in train], [texts[i] for i in test]
        return text_data(parts, (targets[train], targets[test]), contents.digest, self.words, self.tokens)


def _reviews(data: bytes) -> tuple[list[str], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    where = "imdb: reviews.json"
    try:
        reviews = json.loads(data)
    except ValueError as error:
        raise DataError(f"{where}: is not JSON ({error})") from None
    if not isinstance(reviews, list) or not reviews:
        raise DataError(f"{where}: needs a list of reviews")
    for number, review in enumerate(reviews):
        if not isinstance(review, dict) or not isinstance(review.get("t"), str) or review.get("s") not in (0, 1):
            raise DataError(f'{where} entry {number}: found {str(review)[:40]!r}, needs {{"t": text, "s": 0 or 1}}')
    return [review["t"] for review in reviews], np.array([review["s"] for review in reviews], dtype=np.int64)
