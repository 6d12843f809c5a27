"""Data of the user's own: a folder of pictures, or arrays in an npz file."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fflbench.data.arrays import Images, Table
from fflbench.data.folder import ImageFolder
from fflbench.errors import DataError

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two classes, three training pictures and one test picture each, of different sizes and modes."""
    for part, count in (("train", 3), ("test", 1)):
        for name, colour in (("red", RED), ("blue", BLUE)):
            folder = tmp_path / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                Image.new("RGB", (8 + i, 8), colour).save(folder / f"{i}.png")
    return tmp_path


def test_a_folder_of_pictures_is_read(pictures: Path) -> None:
    data = ImageFolder(path=str(pictures), size=8).load()
    assert data.classes == ("blue", "red")
    assert data.train.inputs.shape == (6, 3, 8, 8)
    assert data.train.targets.tolist() == [0, 0, 0, 1, 1, 1]
    assert torch.equal(data.test.inputs[1, :, 0, 0], torch.tensor([1.0, 0.0, 0.0]))


def test_grey_is_one_channel(pictures: Path) -> None:
    data = ImageFolder(path=str(pictures), size=4, channels=1).load()
    assert data.train.inputs.shape == (6, 1, 4, 4)
    assert len(data.mean) == 1


def test_the_digest_follows_the_pixels(pictures: Path) -> None:
    before = ImageFolder(path=str(pictures)).load().digest
    assert ImageFolder(path=str(pictures)).load().digest == before
    Image.new("RGB", (8, 8), (254, 0, 0)).save(pictures / "train" / "red" / "0.png")
    assert ImageFolder(path=str(pictures)).load().digest != before


def test_a_broken_picture_is_named(pictures: Path) -> None:
    broken = pictures / "train" / "red" / "1.png"
    broken.write_bytes(broken.read_bytes()[:40])
    with pytest.raises(DataError, match=r"train/red/1.png: cannot be decoded as a picture .*: repair or remove it") as e:
        ImageFolder(path=str(pictures)).load()
    assert "\n" not in str(e.value)


def test_a_text_called_png_is_named(pictures: Path) -> None:
    (pictures / "test" / "red" / "0.png").write_text("hello")
    with pytest.raises(DataError, match=r"test/red/0.png: cannot be decoded"):
        ImageFolder(path=str(pictures)).load()


def test_a_class_without_training_pictures_is_named(pictures: Path) -> None:
    (pictures / "train" / "green").mkdir()
    with pytest.raises(DataError, match=r"train/green: found no picture, needs at least one"):
        ImageFolder(path=str(pictures)).load()


def test_a_class_only_in_test_is_named(pictures: Path) -> None:
    (pictures / "test" / "green").mkdir()
    with pytest.raises(DataError, match=r"test: found the class 'green', needs only those of train: blue, red"):
        ImageFolder(path=str(pictures)).load()


def test_missing_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere/train: is not a folder"):
        ImageFolder(path=str(tmp_path / "nowhere")).load()
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match=r"train: found no folder, needs one folder of pictures for each class"):
        ImageFolder(path=str(tmp_path)).load()


def images() -> dict[str, Any]:
    generator = np.random.default_rng(0)
    return {
        "train_inputs": generator.integers(0, 256, (6, 3, 5, 4), dtype=np.uint8),
        "train_targets": np.array([0, 1, 2, 0, 1, 2]),
        "test_inputs": generator.integers(0, 256, (3, 3, 5, 4), dtype=np.uint8),
        "test_targets": np.array([0, 1, 2]),
        "classes": np.array(["cat", "dog", "elk"]),
    }


def table() -> dict[str, Any]:
    inputs = np.array([[1.0, 7.0], [2.0, 7.0], [3.0, 7.0]])
    targets = np.array([0, 1, 1])
    return {"train_inputs": inputs, "train_targets": targets, "test_inputs": inputs, "test_targets": targets}


def saved(tmp_path: Path, arrays: dict[str, Any]) -> str:
    np.savez(tmp_path / "own.npz", **arrays)
    return str(tmp_path / "own.npz")


def test_images_in_a_file_are_read(tmp_path: Path) -> None:
    data = Images(path=saved(tmp_path, images())).load()
    assert data.classes == ("cat", "dog", "elk")
    assert data.train.inputs.shape == (6, 3, 5, 4)
    assert data.train.inputs[2, 1, 3, 2] == np.float32(images()["train_inputs"][2, 1, 3, 2]) / 255


def test_a_table_is_standardised_and_constant_features_become_zero(tmp_path: Path) -> None:
    data = Table(path=saved(tmp_path, table())).load()
    assert data.classes == ("0", "1")
    assert data.train.inputs[:, 0].tolist() == pytest.approx([-(1.5**0.5), 0, 1.5**0.5])
    assert data.train.inputs[:, 1].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_inputs": np.zeros((6, 5, 4), np.uint8)}, r"found uint8 \[6, 5, 4\], needs uint8 \[n, 1 or 3, height"),
        ({"train_inputs": np.zeros((6, 3, 5, 4))}, r"train_inputs: found float64 \[6, 3, 5, 4\], needs uint8"),
        ({"test_inputs": np.zeros((3, 3, 4, 4), np.uint8)}, r"test_inputs: .* the shape of train_inputs, \[3, 5, 4\]"),
        ({"train_targets": np.zeros(6)}, r"train_targets: found float64 \[6\], needs integers \[n\]"),
        ({"train_targets": np.arange(5) % 3}, r"train_targets: found 5 targets for 6 examples"),
        ({"test_targets": np.array([0, 1, 3])}, r"test_targets: found class numbers 0 to 3, needs 0 to 2"),
        ({"test_targets": np.array([0, 1, -1])}, r"test_targets: found class numbers -1 to 1, needs 0 to 2"),
        ({"classes": np.array([1, 2, 3])}, r"classes: found int64 \[3\], needs text"),
        ({"test_inputs": np.zeros((0, 3, 5, 4), np.uint8), "test_targets": np.zeros(0, int)}, "found no example"),
    ],
)  # fmt: skip
def test_wrong_image_arrays_are_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Images(path=saved(tmp_path, images() | change)).load()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_inputs": np.zeros(3)}, r"train_inputs: found float64 \[3\], needs numbers \[n, features\]"),
        ({"train_inputs": np.array([[1, np.nan]] * 3)}, "train_inputs: found a value that is not finite"),
        ({"test_inputs": np.zeros((3, 4))}, r"found float64 \[3, 4\], needs the shape of train_inputs, \[2\]"),
        ({"train_inputs": np.array([["a", "b"]] * 3)}, r"train_inputs: found <U1 \[3, 2\], needs numbers"),
        ({"train_targets": np.zeros(0, int), "train_inputs": np.zeros((0, 2))}, "train_targets: found no example"),
    ],
)  # fmt: skip
def test_wrong_tables_are_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Table(path=saved(tmp_path, table() | change)).load()


def test_missing_arrays_are_named(tmp_path: Path) -> None:
    arrays = table()
    del arrays["test_targets"]
    expected = r"found test_inputs, train_inputs, train_targets, needs .* \(test_targets is missing\)"
    with pytest.raises(DataError, match=expected):
        Table(path=saved(tmp_path, arrays)).load()


def test_files_that_are_no_archive_of_arrays_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"own.npz: cannot be read as an .npz file without pickles"):
        Table(path=str(tmp_path / "own.npz")).load()
    (tmp_path / "own.npz").write_bytes(pickle.dumps({"train_inputs": 1}))
    with pytest.raises(DataError, match=r"cannot be read as an .npz file without pickles"):
        Table(path=str(tmp_path / "own.npz")).load()
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(DataError, match=r"not an \.npz archive"):
        Table(path=str(tmp_path / "one.npy")).load()


def test_pickled_and_truncated_arrays_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, table() | {"train_targets": np.array([0, 1, None], dtype=object)})
    with pytest.raises(DataError, match=r"cannot be read as an .npz file without pickles"):
        Table(path=path).load()
    file = Path(saved(tmp_path, table()))
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"cannot be read as an .npz file"):
        Table(path=str(file)).load()
