"""What plug-ins hand back is checked where it enters the engine, so that a mistake names its author."""

from __future__ import annotations

from dataclasses import replace

import torch

from fflbench.contracts import Aggregate, Observation, Reconstruction, ReconstructionAttack, Upload, Visibility
from fflbench.errors import UserError


def checked_rows(rows: object, shape: tuple[int, ...], author: object, hook: str) -> torch.Tensor:
    """The rows, if they are a tensor of that shape; its type is made float32."""
    if not isinstance(rows, torch.Tensor) or tuple(rows.shape) != shape or not rows.is_floating_point():
        found = f"shape {tuple(rows.shape)}, {rows.dtype}" if isinstance(rows, torch.Tensor) else type(rows).__name__
        raise UserError(f"{type(author).__name__}.{hook}: returned {found}, needs a float tensor of shape {shape}")
    return rows.float()


def checked_upload(upload: object, size: int, before: Upload, author: object, hook: str) -> Upload:
    """The upload, if it has one row for each of its peers (one in all for a sum), and its peers are among those before. Rows
    that share their memory with each other are laid out, as their next owner may write to them."""
    if not isinstance(upload, Upload):
        raise UserError(f"{type(author).__name__}.{hook}: returned {type(upload).__name__}, needs an Upload")
    promised = min(before.visibility, getattr(author, "reveals", before.visibility))
    if upload.visibility != promised:
        raise UserError(f"{type(author).__name__}.{hook}: returned an upload that shows {upload.visibility.name}, "
                        f"its class promises {promised.name}")  # fmt: skip
    count = 1 if upload.visibility is Visibility.SUM else len(upload.peers)
    rows = checked_rows(upload.rows, (count, size), author, hook)
    strangers = set(upload.peers) - set(before.peers)
    if strangers or len(set(upload.peers)) != len(upload.peers):
        raise UserError(f"{type(author).__name__}.{hook}: returned the peers {upload.peers}, needs each at most once and "
                        f"from {before.peers}")  # fmt: skip
    return replace(upload, rows=rows.contiguous())


def checked_selection(peers: object, candidates: int, author: object) -> tuple[int, ...]:
    """The selected peers, if they are some, known and different."""
    if (
        not isinstance(peers, tuple)
        or not peers
        or len(set(peers)) != len(peers)
        or not set(peers) <= set(range(candidates))
    ):
        raise UserError(
            f"{type(author).__name__}.select: returned {peers!r}, needs different peers from 0 to {candidates - 1}"
        )
    return peers


def checked_aggregate(aggregate: object, size: int, seen: Upload, author: object) -> Aggregate:
    """The aggregate, if its vector has the layout's size and it trusts only peers whose rows it saw."""
    if not isinstance(aggregate, Aggregate):
        raise UserError(f"{type(author).__name__}.aggregate: returned {type(aggregate).__name__}, needs an Aggregate")
    strangers = set(aggregate.trust or {}) - set(seen.peers)
    if strangers:
        raise UserError(
            f"{type(author).__name__}.aggregate: trusts the peers {sorted(strangers)}, needs those of the upload"
        )
    return replace(aggregate, vector=checked_rows(aggregate.vector, (size,), author, "aggregate"))


def checked_reconstruction(guess: object, seen: Observation, batch: int, attack: ReconstructionAttack) -> Reconstruction:
    """The guess, if what the attack promises to guess is there: at least `batch` inputs of the task's shape and kind, or a
    number for each candidate; labels, if any, one for each example that the update speaks of."""
    who = f"{type(attack).__name__}.reconstruct"
    if not isinstance(guess, Reconstruction):
        raise UserError(f"{who}: returned {type(guess).__name__}, needs a Reconstruction")
    if attack.guesses == "membership":
        count = len(seen.candidates) if seen.candidates else 0
        return replace(guess, membership=checked_rows(guess.membership, (count,), attack, "reconstruct"))
    if attack.guesses == "links":
        count = 0 if seen.unnamed is None else len(seen.unnamed)
        return replace(guess, links=checked_rows(guess.links, (count,), attack, "reconstruct"))
    inputs, whole = guess.inputs, seen.task.kind == "text"
    good = isinstance(inputs, torch.Tensor) and inputs.is_floating_point() != whole and len(inputs) >= batch
    if inputs is None or not good or tuple(inputs.shape[1:]) != seen.task.input_shape:
        found = f"{tuple(inputs.shape)} of {inputs.dtype}" if isinstance(inputs, torch.Tensor) else type(inputs).__name__
        raise UserError(f"{who}: returned inputs {found}, needs at least {batch} of shape {seen.task.input_shape}, "
                        f"{'whole' if whole else 'floating-point'} numbers")  # fmt: skip
    labels = guess.labels
    if labels is not None and (labels.shape != (seen.examples,) or labels.is_floating_point()):
        raise UserError(f"{who}: returned labels of shape {tuple(labels.shape)}, {labels.dtype}, needs whole numbers of "
                        f"shape ({seen.examples},)")  # fmt: skip
    return guess
