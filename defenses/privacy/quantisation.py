"""Stochastic quantisation (QSGD, Alistarh et al. 2017): a few bits an entry, right on average."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from fflbench.blocks import row_blocks
from fflbench.contracts import Round, Stage, Upload


@dataclass
class Quantisation(Stage):
    """In every tensor of a peer's update each entry becomes one of 2^`bits` - 1 evenly spaced values between minus and plus
    the largest magnitude, up or down at random so that it is right on average. Batch-norm statistics are sent whole."""

    paper: ClassVar[str] = "https://arxiv.org/abs/1610.02132"
    assumes: ClassVar[str] = "no entry of a tensor is far larger than the others"
    cost: ClassVar[str] = "O(d) a peer; bits an entry sent, and 4 bytes a tensor"
    workspace: ClassVar[float] = 0.2

    bits: Annotated[int, Field(ge=2, le=16)] = 4

    def share(self, upload: Upload, round: Round) -> Upload:
        bits, levels = 0, 2 ** (self.bits - 1) - 1
        generator = round.rng.at("quantisation").torch(upload.rows.device)
        for parameter in round.layout.parameters:
            part = upload.rows[:, parameter.offset : parameter.offset + parameter.size]
            if not parameter.trainable:
                bits += 32 * parameter.size
                continue
            bits += self.bits * parameter.size + 32
            for block in row_blocks(part):
                unit = block.abs().amax(1, keepdim=True) / levels
                scaled = block / unit.clamp(min=torch.finfo(block.dtype).tiny)
                share = torch.rand(block.shape, generator=generator, device=block.device)
                block.copy_((scaled + share).floor().clamp(-levels, levels) * unit)
        return replace(upload, row_bytes=(bits + 7) // 8)
