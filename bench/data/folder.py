"""A data set of the user's own: a folder of pictures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from fflbench.contracts import DataKind, Dataset, LoadedData
from fflbench.data.images import Pixels, Targets, image_data
from fflbench.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"})
_MODES = {1: "L", 3: "RGB"}


@dataclass(frozen=True)
class ImageFolder(Dataset):
    """Your own pictures: a folder with `train/<class>/*.png` and `test/<class>/*.png`.

    They may be png, jpg, bmp, gif, tiff or webp. Every picture is turned into `channels` channels (1 grey, 3 colour)
    and resized to `size` x `size` pixels. Classes are the folder names of `train` in alphabetical order.
    """

    path: str
    size: Annotated[int, Field(ge=4, le=1024)] = 32
    channels: Literal[1, 3] = 3

    kind: ClassVar[DataKind] = "image"
    licence: ClassVar[str] = "yours"
    source: ClassVar[str] = "a folder of your own"

    def load(self) -> LoadedData:
        """Inputs float32 [n, channels, size, size] in [0, 1]; targets index the class folders."""
        root = Path(self.path).expanduser()
        classes = _class_folders(root / "train")
        extra = [name for name in _class_folders(root / "test") if name not in classes]
        if extra:
            raise DataError(f"{root / 'test'}: found the class {extra[0]!r}, needs only those of train: "
                            f"{', '.join(classes)}")  # fmt: skip
        digest = hashlib.sha256()
        parts = [self._part(root, part, classes, digest) for part in ("train", "test")]
        return image_data("image-folder", (parts[0], parts[1]), classes, digest.hexdigest())

    def _part(self, root: Path, part: str, classes: tuple[str, ...], digest: hashlib._Hash) -> tuple[Pixels, Targets]:
        pictures, targets = [], []
        for label, name in enumerate(classes):
            folder = root / part / name
            files = sorted(p for p in folder.glob("*") if p.suffix.lower() in _PICTURES) if folder.is_dir() else []
            if part == "train" and not files:
                raise DataError(f"{folder}: found no picture, needs at least one ({', '.join(sorted(_PICTURES))})")
            for file in files:
                digest.update(f"{file.relative_to(root).as_posix()}\0".encode())
                pictures.append(self._read(file, digest))
                targets.append(label)
        if not pictures:
            raise DataError(f"{root / part}: found no picture, needs at least one")
        return np.stack(pictures), np.array(targets, dtype=np.int64)

    def _read(self, file: Path, digest: hashlib._Hash) -> Pixels:
        """One picture, uint8 [channels, size, size]."""
        from PIL import Image

        try:
            with Image.open(file) as picture:
                return self._pixels(picture, digest)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise DataError(f"{file}: cannot be decoded as a picture ({error}): repair or remove it") from None

    def _pixels(self, picture: Image.Image, digest: hashlib._Hash) -> Pixels:
        converted = picture.convert(_MODES[self.channels])
        if converted.size != (self.size, self.size):
            converted = converted.resize((self.size, self.size))
        pixels = np.asarray(converted, dtype=np.uint8).reshape(self.size, self.size, self.channels)
        digest.update(pixels.tobytes())
        return pixels.transpose(2, 0, 1)


def _class_folders(part: Path) -> tuple[str, ...]:
    if not part.is_dir():
        raise DataError(f"{part}: is not a folder, needs one folder of pictures for each class in it")
    names = tuple(sorted(path.name for path in part.iterdir() if path.is_dir() and not path.name.startswith(".")))
    if not names:
        raise DataError(f"{part}: found no folder, needs one folder of pictures for each class")
    return names
