"""From the peers' updates to what reaches the server, the same in both tracks."""

from __future__ import annotations

import torch
from torch import Tensor

from fflbench.blocks import row_blocks
from fflbench.contracts import PreAggregator, Round, Stage, Upload
from fflbench.federation.checks import checked_upload


def passed_on(upload: Upload, part: Stage | PreAggregator, round_: Round) -> Upload:
    """What a part makes of the upload, whose rows it owns from now on. Callers rebind their name for the upload, so that
    rows which the part replaced are gone before the next one runs."""
    if isinstance(part, Stage):
        return checked_upload(part.share(upload, round_), round_.layout.size, upload, part, "share")
    return checked_upload(part.transform(upload, round_), round_.layout.size, upload, part, "transform")


def finite_rows(rows: Tensor) -> list[bool]:
    """Which rows have only finite entries."""
    return [good for block in row_blocks(rows) for good in torch.isfinite(block).all(dim=1).tolist()]


def upload_bytes(upload: Upload, round_: Round) -> int:
    """The bytes that all peers of this upload send to the server."""
    row_bytes = upload.row_bytes if upload.row_bytes is not None else 4 * round_.layout.size
    return row_bytes * len(upload.peers)
