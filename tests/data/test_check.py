"""Wrong data from a data set plug-in are refused with what was found."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fflbench.data.check import checked_data
from fflbench.dataset import Examples, LoadedData
from fflbench.errors import DataError

PART = Examples(torch.rand(4, 1, 3, 3), torch.tensor([0, 1, 0, 1]))
GOOD = LoadedData(PART, PART, ("a", "b"), "image", (0.5,), (0.2,), 0, "0" * 64)


def with_test(**change: object) -> LoadedData:
    return replace(GOOD, test=replace(PART, **change))


def test_good_data_pass() -> None:
    assert checked_data(GOOD, "mine") is GOOD


@pytest.mark.parametrize(("data", "message"), [
    (None, "load returned NoneType, needs LoadedData"),
    (replace(GOOD, classes=("a",)), "needs at least two with different names"),
    (replace(GOOD, classes=("a", "a")), "needs at least two with different names"),
    (with_test(inputs=torch.zeros(0, 1, 3, 3), targets=torch.zeros(0, dtype=torch.int64)), "test: found 0 inputs and 0 targets"),
    (with_test(targets=torch.tensor([0, 1, 0])), "test: found 4 inputs and 3 targets, needs equally many"),
    (with_test(targets=torch.tensor([0, 1, 0, 2])), "from 0 to 2, needs int64 [n] from 0 to 1"),
    (with_test(targets=torch.tensor([0, -100, 0, 1])), "from -100 to 1, needs int64 [n] from 0 to 1"),
    (with_test(targets=torch.tensor([0, 1, 0, 1], dtype=torch.int32)), "torch.int32"),
    (with_test(inputs=torch.full((4, 1, 3, 3), float("nan"))), "needs finite values in [0, 1]"),
    (with_test(inputs=torch.rand(4, 1, 3, 3) * 255), "needs finite values in [0, 1]"),
    (with_test(inputs=torch.rand(4, 9)), "with 2 dimensions, needs float32 with 4"),
    (with_test(inputs=torch.rand(4, 1, 5, 5)), "train and test inputs differ in shape"),
    (replace(GOOD, std=(0.0,)), "needs one of each for 1 channels, std above 0"),
    (replace(GOOD, mean=()), "needs one of each for 1 channels"),
])  # fmt: skip
def test_wrong_data_are_refused(data: object, message: str) -> None:
    with pytest.raises(DataError) as caught:
        checked_data(data, "mine")
    assert message in str(caught.value)
    assert "data set mine" in str(caught.value)
