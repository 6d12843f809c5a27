"""Data sets in the user's data folder: torchvision's layout, our own with digests, and everything that can be wrong."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from fflbench.data.cifar10 import CIFAR10
from fflbench.data.fashion_mnist import FashionMNIST
from fflbench.data.idx import decode_idx, encode_idx
from fflbench.data.imdb import IMDB
from fflbench.data.mnist import MNIST
from fflbench.data.sources import CIFAR10_FILES, IDX_FILES
from fflbench.data.storage import data_folder, manifest_text, sha256
from fflbench.errors import DataError

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = IDX_FILES


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FFLBENCH_DATA", str(tmp_path))
    return tmp_path


def idx_files() -> dict[str, bytes]:
    """Twenty training and ten test images of 28x28, two and one of each class."""
    generator = np.random.default_rng(0)
    return {
        TRAIN_IMAGES: encode_idx(generator.integers(0, 256, (20, 28, 28), dtype=np.uint8)),
        TRAIN_LABELS: encode_idx(np.arange(20, dtype=np.uint8) % 10),
        TEST_IMAGES: encode_idx(generator.integers(0, 256, (10, 28, 28), dtype=np.uint8)),
        TEST_LABELS: encode_idx(np.arange(10, dtype=np.uint8)),
    }


def put(folder: Path, files: dict[str, bytes], packed: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(data) if packed else data)


def test_the_data_folder_follows_the_environment(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert data_folder() == root
    monkeypatch.delenv("FFLBENCH_DATA")
    assert data_folder() == Path.home() / ".cache" / "fflbench" / "data"


def test_absent_data_say_what_to_do(root: Path) -> None:
    expected = rf"^mnist is not on this machine: run `fflbench data fetch mnist`, or set FFLBENCH_DATA .*{root}\)$"
    with pytest.raises(DataError, match=expected):
        MNIST().load()


def test_torchvisions_layout_is_read_plain_and_packed(root: Path) -> None:
    put(root / "MNIST" / "raw", idx_files())
    plain = MNIST().load()
    assert plain.train.inputs.shape == (20, 1, 28, 28)
    assert plain.test.targets.tolist() == list(range(10))
    pixels = decode_idx(idx_files()[TRAIN_IMAGES], "x", 3)
    assert torch.equal((plain.train.inputs[:, 0] * 255).round().byte(), torch.from_numpy(pixels.copy()))
    put(root / "FashionMNIST" / "raw", idx_files(), packed=True)
    packed = FashionMNIST().load()
    assert torch.equal(packed.train.inputs, plain.train.inputs)
    assert packed.digest == plain.digest


def test_a_subset_is_even_and_too_large_a_one_is_refused(root: Path) -> None:
    put(root / "mnist", idx_files())
    data = MNIST(train_examples=10).load()
    assert data.train.targets.bincount().tolist() == [1] * 10
    with pytest.raises(DataError, match=r"mnist.train_examples: found 30, needs at most 2 of class 0, 20 in all"):
        MNIST(train_examples=30).load()


def test_constant_pixels_have_a_defined_scale(root: Path) -> None:
    files = idx_files() | {TRAIN_IMAGES: encode_idx(np.full((20, 28, 28), 51, np.uint8))}
    put(root / "mnist", files)
    data = MNIST().load()
    assert data.mean == pytest.approx((0.2,))
    assert data.std == (1.0,)


def test_a_missing_file_is_named(root: Path) -> None:
    files = idx_files()
    del files[TEST_LABELS]
    put(root / "mnist", files)
    with pytest.raises(DataError, match=rf"incomplete, {TEST_LABELS} is missing: delete .* `fflbench data fetch mnist`"):
        MNIST().load()


def test_a_truncated_packed_file_is_refused(root: Path) -> None:
    put(root / "mnist", idx_files(), packed=True)
    file = root / "mnist" / f"{TRAIN_IMAGES}.gz"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DataError, match=rf"{TRAIN_IMAGES}.gz cannot be read"):
        MNIST().load()


def test_the_digests_beside_the_files_are_checked(root: Path) -> None:
    files = idx_files()
    put(root / "mnist", files)
    manifest = root / "mnist" / "SHA256SUMS"
    manifest.write_text(manifest_text({name: sha256(data) for name, data in files.items()}))
    assert len(MNIST().load().train) == 20
    damaged = bytearray(files[TRAIN_IMAGES])
    damaged[100] ^= 1
    (root / "mnist" / TRAIN_IMAGES).write_bytes(damaged)
    with pytest.raises(DataError, match=rf"{TRAIN_IMAGES}: found SHA-256 {sha256(bytes(damaged))}, needs \w{{64}}"):
        MNIST().load()
    manifest.write_text("what is this\n")
    with pytest.raises(DataError, match=r"SHA256SUMS line 1: found 'what is this', needs a SHA-256"):
        MNIST().load()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (TRAIN_IMAGES, b"", "found the first bytes of an empty file, needs an IDX file"),
        (TRAIN_IMAGES, b"GIF89a" * 10, r"found the first bytes 47494638, needs an IDX file .* \(00000803\)"),
        (TRAIN_IMAGES, idx_files()[TRAIN_IMAGES][:-1], "found 15679 bytes of data, needs 15680"),
        (TRAIN_IMAGES, idx_files()[TEST_IMAGES], "found 20 targets for 10 examples"),
        (TRAIN_LABELS, encode_idx(np.full(20, 10, np.uint8)), "found class numbers 10 to 10, needs 0 to 9"),
    ],
)
def test_wrong_idx_files_are_named(root: Path, name: str, data: bytes, message: str) -> None:
    put(root / "mnist", idx_files() | {name: data})
    with pytest.raises(DataError, match=message) as caught:
        MNIST().load()
    assert "\n" not in str(caught.value)


def cifar_files() -> dict[str, bytes]:
    """Ten images a file, one of each class; the image of class c is red with value c."""
    records = np.zeros((10, 3073), np.uint8)
    records[:, 0] = np.arange(10)
    records[:, 1:1025] = np.arange(10)[:, None]
    return dict.fromkeys(CIFAR10_FILES, records.tobytes())


def test_cifar10_is_read_channels_first(root: Path) -> None:
    put(root / "cifar-10-batches-bin", cifar_files())
    data = CIFAR10().load()
    assert data.train.inputs.shape == (50, 3, 32, 32)
    assert data.test.inputs.shape == (10, 3, 32, 32)
    assert torch.allclose(data.test.inputs[7, 0], torch.full((32, 32), 7 / 255))
    assert data.test.inputs[:, 1:].max() == 0


def test_cifar10_pickles_are_never_loaded(root: Path) -> None:
    (root / "cifar-10-batches-py").mkdir()
    (root / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    with pytest.raises(DataError, match=r"run `fflbench data fetch cifar10`.*holds pickles, which are never loaded"):
        CIFAR10().load()


def test_a_cifar10_file_of_another_size_is_named(root: Path) -> None:
    put(root / "cifar10", cifar_files() | {"test_batch.bin": b"x" * 3072})
    with pytest.raises(DataError, match=r"test_batch.bin: found 3072 bytes, needs a multiple of 3073"):
        CIFAR10().load()


def put_reviews(root: Path, reviews: object) -> None:
    put(root / "imdb", {"reviews.json": json.dumps(reviews).encode()})


def test_imdb_is_split_evenly_and_encoded(root: Path) -> None:
    good = [{"t": f"Good<br />film number{i}", "s": 1} for i in range(10)]
    bad = [{"t": f"bad film number{i}", "s": 0} for i in range(10)]
    put_reviews(root, good + bad)
    data = IMDB(words=3, tokens=4).load()
    assert data.train.targets.bincount().tolist() == [8, 8]
    assert data.test.targets.bincount().tolist() == [2, 2]
    assert data.vocabulary == 5
    # film is the most frequent word (2); bad (3) and good (4) are next in the alphabet; the number is unknown (1).
    assert {tuple(row) for row in data.train.inputs.tolist()} == {(0, 3, 2, 1), (0, 4, 2, 1)}
    assert IMDB(train_examples=6, test_examples=2).load().train.targets.bincount().tolist() == [3, 3]


@pytest.mark.parametrize(
    ("reviews", "message"),
    [
        ([], "needs a list of reviews"),
        ({"t": "x"}, "needs a list of reviews"),
        ([{"t": "x", "s": 1}, {"t": "x", "s": 2}], "entry 1: found"),
        ([{"t": 3, "s": 1}], "entry 0: found"),
        ([None], "entry 0: found 'None'"),
    ],
)
def test_wrong_reviews_are_named(root: Path, reviews: object, message: str) -> None:
    put_reviews(root, reviews)
    with pytest.raises(DataError, match=message):
        IMDB().load()


def test_reviews_that_are_not_json_are_refused(root: Path) -> None:
    put(root / "imdb", {"reviews.json": b"[{"})
    with pytest.raises(DataError, match=r"reviews.json: is not JSON"):
        IMDB().load()
