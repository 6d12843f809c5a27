"""Whether the pictures of a cell that was run again are those of the submission: pixel by pixel, for encoders differ."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from fflbench.records import Record


def other_picture(stated: Record, pictures: dict[str, bytes], found: Record, folder: Path) -> str:
    """Which of the submission's `pictures` is not what the cell gave here (its files lie in `folder`); empty for none. The
    submission's were checked when it was read."""
    here = {(one.role, one.index): folder / one.file for one in found.artefacts}
    for artefact in stated.artefacts:
        file = here.get((artefact.role, artefact.index))
        if file is None or not _same_pixels(pictures[artefact.file], file.read_bytes()):
            return f"{artefact.role} {artefact.index}"
    return ""


def _same_pixels(one: bytes, other: bytes) -> bool:
    first, second = (np.asarray(Image.open(io.BytesIO(data), formats=("PNG",))) for data in (one, other))
    return first.shape == second.shape and bool((first == second).all())
