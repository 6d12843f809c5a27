"""The data that the package carries: counts, balance, ranges, known values, and what happens when they are damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from fflbench.contracts import Dataset, LoadedData
from fflbench.data import storage
from fflbench.data.adult import FEATURES, Adult, read_rows
from fflbench.data.fashion_mnist import FashionMNISTSmall
from fflbench.data.idx import decode_idx
from fflbench.data.movie_snippets import FILE, MovieSnippets, read_snippets
from fflbench.data.photographs import FILE as PHOTOGRAPHS_FILE
from fflbench.data.photographs import Photographs
from fflbench.data.sources import ADULT_FILES
from fflbench.errors import DataError

EMBEDDED: tuple[Dataset, ...] = (FashionMNISTSmall(), Adult(), MovieSnippets(), Photographs())


def counts(targets: torch.Tensor) -> list[int]:
    return targets.bincount().tolist()


@pytest.mark.parametrize("dataset", EMBEDDED, ids=lambda d: type(d).__name__)
def test_every_embedded_set_keeps_the_contract(dataset: Dataset) -> None:
    data = dataset.load()
    assert data.kind == dataset.kind
    assert dataset.licence
    assert dataset.source
    for part in (data.train, data.test):
        assert part.inputs.dtype == (torch.int64 if data.kind == "text" else torch.float32)
        assert part.targets.dtype == torch.int64
        assert len(part.inputs) == len(part.targets) > 0
        assert set(part.targets.tolist()) == set(range(len(data.classes)))
    assert data.train.inputs.shape[1:] == data.test.inputs.shape[1:]
    if data.kind == "image":
        assert data.train.inputs.min() >= 0
        assert data.train.inputs.max() <= 1
        assert len(data.mean) == len(data.std) == data.train.inputs.shape[1]
        assert data.train.inputs.mean(dim=(0, 2, 3)).tolist() == pytest.approx(data.mean, abs=1e-5)
        assert data.train.inputs.std(dim=(0, 2, 3)).tolist() == pytest.approx(data.std, abs=1e-4)
    else:
        assert data.mean == data.std == ()
    assert (data.vocabulary > 0) == (data.kind == "text")


@pytest.mark.parametrize("dataset", EMBEDDED, ids=lambda d: type(d).__name__)
def test_loading_twice_gives_the_same(dataset: Dataset) -> None:
    first, second = dataset.load(), dataset.load()
    assert first.digest == second.digest
    assert len(first.digest) == 64
    assert torch.equal(first.train.inputs, second.train.inputs)
    assert torch.equal(first.test.targets, second.test.targets)


def test_fashion_mnist_small_is_even() -> None:
    data = FashionMNISTSmall().load()
    assert data.train.inputs.shape == (5_000, 1, 28, 28)
    assert data.test.inputs.shape == (1_000, 1, 28, 28)
    assert counts(data.train.targets) == [500] * 10
    assert counts(data.test.targets) == [100] * 10
    assert data.classes[9] == "Ankle boot"


def test_a_smaller_subset_is_even_and_part_of_the_whole() -> None:
    whole, small = FashionMNISTSmall().load(), FashionMNISTSmall(train_examples=203, test_examples=50).load()
    assert counts(small.train.targets) == [21, 21, 21, *[20] * 7]
    assert counts(small.test.targets) == [5] * 10
    known = {image.numpy().tobytes() for image in whole.train.inputs}
    assert all(image.numpy().tobytes() in known for image in small.train.inputs)
    assert small.digest == whole.digest


def test_fashion_mnist_has_distinct_images_in_both_parts() -> None:
    data = FashionMNISTSmall().load()
    train = {image.numpy().tobytes() for image in data.train.inputs}
    assert len(train) == 5_000
    assert not any(image.numpy().tobytes() in train for image in data.test.inputs)


def adult_rows() -> list[list[str]]:
    files = storage.read_embedded("adult", ADULT_FILES).files
    return [row for file in ADULT_FILES for row in read_rows(files[file], file)]


def test_adult_keeps_every_row_and_the_known_balance() -> None:
    rows, data = adult_rows(), Adult().load()
    assert len(rows) == 48_842
    assert rows[0][:4] == ["39", "State-gov", "77516", "Bachelors"]
    assert rows[0][-1] == "<=50K"
    assert rows[32_561][:3] == ["25", "Private", "226802"]
    assert (len(data.train), len(data.test)) == (39_073, 9_769)
    assert sum(row[-1] == ">50K" for row in rows) == 11_687
    both = torch.cat([data.train.targets, data.test.targets])
    assert counts(both) == [37_155, 11_687]


def test_adult_has_ten_standardised_features() -> None:
    data = Adult().load()
    assert FEATURES == ("age", "workclass", "education-num", "marital-status", "occupation", "relationship", "race",
                        "sex", "hours-per-week", "native-country")  # fmt: skip
    assert data.train.inputs.shape[1] == 10
    assert data.train.inputs.mean(dim=0).abs().max() < 1e-4
    assert (data.train.inputs.std(dim=0) - 1).abs().max() < 1e-3
    assert len(set(data.train.inputs[:, FEATURES.index("marital-status")].tolist())) == 2
    assert len(set(data.train.inputs[:, FEATURES.index("workclass")].tolist())) == 9


def test_adult_rows_that_are_wrong_are_named() -> None:
    with pytest.raises(DataError, match=r"adult.data line 2: found 3 values, needs 15"):
        read_rows(b"39, State-gov, 77516, Bachelors, 13, N, A, N, W, M, 1, 0, 40, U, <=50K\n1,2,3\n", "adult.data")
    with pytest.raises(DataError, match=r"line 1: found income '50K', needs <=50K or >50K"):
        read_rows(b"39, State-gov, 77516, Bachelors, 13, N, A, N, W, M, 1, 0, 40, U, 50K\n", "adult.data")


def test_movie_snippets_follow_the_sign_of_the_rating() -> None:
    ratings, texts = read_snippets(storage.read_embedded("movie-snippets", (FILE,)).files[FILE])
    assert len(texts) == 10_605
    assert (np.abs(ratings) <= 4).all()
    assert (int((ratings > 0).sum()), int((ratings == 0).sum())) == (5_242, 37)
    assert texts[2] == "Effective but too tepid biopic"
    data = MovieSnippets().load()
    assert counts(torch.cat([data.train.targets, data.test.targets])) == [5_326, 5_242]
    assert data.train.inputs.shape == (8_453, 32)
    assert data.test.inputs.shape == (2_115, 32)
    assert data.vocabulary == 10_002
    assert data.train.inputs.min() == 0
    assert data.train.inputs.max() == data.vocabulary - 1


def test_movie_snippets_that_are_wrong_are_named() -> None:
    with pytest.raises(DataError, match=r"movie snippets line 2: found '7', needs number, rating, sentence"):
        read_snippets(b"1\t2.5\tgood\r\n7\tx\tbad\r\n")


def test_photographs_are_even_and_show_something() -> None:
    data = Photographs().load()
    assert data.train.inputs.shape == (480, 3, 32, 32)
    assert data.test.inputs.shape == (120, 3, 32, 32)
    assert counts(data.train.targets) == [240, 240]
    assert counts(data.test.targets) == [60, 60]
    both = torch.cat([data.train.inputs, data.test.inputs])
    assert both.std(dim=(2, 3)).mean(dim=1).min() > 15 / 255
    assert len({image.numpy().tobytes() for image in both}) == 600


def test_photographs_are_windows_of_the_pictures_without_a_pixel_in_both_parts() -> None:
    file = storage.read_embedded("photographs", (PHOTOGRAPHS_FILE,)).files[PHOTOGRAPHS_FILE]
    pictures = decode_idx(file, PHOTOGRAPHS_FILE, 4)
    data = Photographs().load()
    for part, columns in ((data.train, slice(0, 192)), (data.test, slice(192, None))):
        for image, target in zip(part.inputs[::37], part.targets[::37], strict=True):
            pixels = (image * 255).round().byte().numpy().transpose(1, 2, 0)
            side = pictures[int(target)][:, columns]
            places = [(y, x) for y in range(0, 182, 8) for x in range(0, side.shape[1] - 31, 8)]
            assert any(np.array_equal(side[y : y + 32, x : x + 32], pixels) for y, x in places)


def test_the_list_of_digests_names_every_file() -> None:
    digests = storage.read_manifest(storage.EMBEDDED / storage.MANIFEST)
    files = {p.relative_to(storage.EMBEDDED).as_posix() for p in storage.EMBEDDED.rglob("*") if p.is_file()}
    assert files - {storage.MANIFEST} == set(digests)
    assert all(storage.file_sha256(storage.EMBEDDED / name) == digest for name, digest in digests.items())


def test_every_embedded_set_has_its_notice() -> None:
    notice = (storage.EMBEDDED / "NOTICE.md").read_text()
    for words in ("Zalando SE", "C.J. Hutto", "licenses/by/4.0", "danielbuechele", "vultilion", "Becker",
                  "WITHOUT WARRANTY OF ANY KIND"):  # fmt: skip
        assert words in notice


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "embedded"
    shutil.copytree(storage.EMBEDDED, copy)
    monkeypatch.setattr(storage, "EMBEDDED", copy)
    return copy


def load_photographs() -> LoadedData:
    return Photographs().load()


def test_a_damaged_embedded_file_is_refused(copied: Path) -> None:
    file = copied / "photographs" / "photographs-idx4-ubyte.xz"
    damaged = bytearray(file.read_bytes())
    damaged[1_000] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(DataError, match=r"photographs-idx4-ubyte.xz: found SHA-256 \w{64}, needs \w{64}: .*reinstall"):
        load_photographs()


def test_a_missing_embedded_file_is_named(copied: Path) -> None:
    (copied / "photographs" / "photographs-idx4-ubyte.xz").unlink()
    with pytest.raises(DataError, match=r"photographs-idx4-ubyte.xz: No such file.*reinstall"):
        load_photographs()
