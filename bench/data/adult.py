"""Adult: who of the 1994 census earns more than 50,000 dollars? Prepared as in the FFL experiments."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from fflbench.contracts import DataKind, Dataset, Examples, LoadedData
from fflbench.data.selection import split
from fflbench.data.sources import ADULT_FILES
from fflbench.data.storage import read_embedded
from fflbench.errors import DataError

CLASSES = ("<=50K", ">50K")
COLUMNS = (
    "age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation",
    "relationship", "race", "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country",
    "income",
)  # fmt: skip
DROPPED = frozenset({"fnlwgt", "education", "capital-gain", "capital-loss", "income"})
FEATURES = tuple(column for column in COLUMNS if column not in DROPPED)
_NUMBERS = frozenset({"age", "education-num", "hours-per-week"})
_MARRIED = frozenset({"Married-civ-spouse", "Married-AF-spouse", "Married-spouse-absent"})


@dataclass(frozen=True)
class Adult(Dataset):
    """Census income, carried in the package: 39,073 + 9,769 people, ten features, above 50,000 dollars or not.

    Both files of the original are taken together and divided 80/20 by one seeded permutation. Weight,
    education (its number stays), capital gain and loss are dropped; the three married statuses become
    "Married", the others "Unmarried"; categories become their places in the alphabet, "?" being one of them;
    then every feature is standardised by the training part's mean and standard deviation. No row is dropped.
    """

    kind: ClassVar[DataKind] = "tabular"
    licence: ClassVar[str] = "CC BY 4.0 (UCI Machine Learning Repository)"
    source: ClassVar[str] = "Becker, Kohavi: Adult (1996), doi 10.24432/C5XW20"

    def load(self) -> LoadedData:
        """Inputs float32 [n, 10], the features in the order of `FEATURES`; target 1 is ">50K"."""
        contents = read_embedded("adult", ADULT_FILES)
        rows = [row for file in ADULT_FILES for row in read_rows(contents.files[file], f"adult: {file}")]
        features = np.stack([_column(rows, name) for name in FEATURES], axis=1)
        targets = np.array([CLASSES.index(row[-1]) for row in rows], dtype=np.int64)
        train, test = split(len(rows), 0.8)
        mean, deviation = features[train].mean(axis=0), features[train].std(axis=0)
        standard = torch.from_numpy(((features - mean) / deviation).astype(np.float32))
        parts = [Examples(standard[i], torch.from_numpy(targets[i])) for i in (train, test)]
        levels = tuple(() if f in _NUMBERS else tuple(sorted(set(standard[:, i].tolist()))) for i, f in enumerate(FEATURES))
        return LoadedData(parts[0], parts[1], CLASSES, "tabular", (), (), 0, contents.digest, levels)


def read_rows(data: bytes, where: str) -> list[list[str]]:
    """The rows of `adult.data` or `adult.test`, 15 values each, without the latter's first line and dots."""
    rows = []
    lines = data.decode("ascii", "replace").splitlines()
    for number, row in enumerate(csv.reader(lines, skipinitialspace=True), 1):
        if not row or row[0].startswith("|"):
            continue
        if len(row) != len(COLUMNS):
            raise DataError(f"{where} line {number}: found {len(row)} values, needs {len(COLUMNS)}")
        row[-1] = row[-1].removesuffix(".")
        if row[-1] not in CLASSES:
            raise DataError(f"{where} line {number}: found income {row[-1]!r}, needs {' or '.join(CLASSES)}")
        rows.append(row)
    return rows


def _column(rows: list[list[str]], name: str) -> npt.NDArray[np.float64]:
    values: npt.NDArray[Any] = np.array([row[COLUMNS.index(name)] for row in rows])
    if name in _NUMBERS:
        return values.astype(np.float64)
    if name == "marital-status":
        values = np.where(np.isin(values, list(_MARRIED)), "Married", "Unmarried")
    return np.unique(values, return_inverse=True)[1].astype(np.float64)
