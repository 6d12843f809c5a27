"""From the peers' updates to what reaches the server, the same in both tracks."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from fflbench.contracts import Round, Stage, Upload
from fflbench.federation.checks import checked_upload


def staged(stages: Sequence[Stage], round_: Round, rows: Tensor) -> Upload:
    """What the stages, in order, make of the updates [m, d] of the round's peers."""
    upload = Upload(rows, round_.peers)
    for stage in stages:
        upload = checked_upload(stage.share(upload, round_), round_.layout.size, upload, stage, "share")
    return upload


def upload_bytes(upload: Upload, round_: Round) -> int:
    """The bytes that all peers of this upload send to the server."""
    row_bytes = upload.row_bytes if upload.row_bytes is not None else 4 * round_.layout.size
    return row_bytes * len(upload.peers)
