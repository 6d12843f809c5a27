"""Last-layer mimicry: poison where the score does not look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from fflbench.attacks.adaptive.strike import Blow, struck
from fflbench.attacks.poisoning.visible import visible_rows
from fflbench.blocks import by_columns
from fflbench.contracts import Knowledge, PoisoningAttack, Round


@dataclass
class LastLayerMimicry(PoisoningAttack):
    """Sends the coordinate-wise median of the known updates in the output layer and a blow in every other layer, the whole
    scaled to `length` times the median norm.

    Exploits that FFL scores 80% by the direction of the output layer and 20% by the norm; at length 1 the score is as good
    as it gets, whatever the other layers hold.
    """

    paper: ClassVar[str] = ""
    assumes: ClassVar[str] = "the rule looks at the output layer and the norm; the model has other layers"
    cost: ClassVar[str] = "O(h d)"
    workspace: ClassVar[float] = 0.9

    blow: Blow = "reverse"
    length: Annotated[float, Field(gt=0)] = 1.0
    knowledge: Knowledge = Knowledge.OMNISCIENT

    def poison_updates(self, malicious: Tensor, honest: Tensor | None, round: Round) -> Tensor:
        rows, last = visible_rows(malicious, honest), round.layout.last_layer
        trained = round.layout.trainable
        rest = torch.ones(malicious.shape[1], dtype=torch.bool, device=malicious.device)
        rest[last], rest[trained.stop :] = False, False
        sent = malicious.clone()
        sent[:, last] = by_columns(rows[:, last], lambda block: block.median(0).values)
        wanted = self.length * rows[:, trained].norm(dim=1).median()
        room = (wanted.square() - sent[:, last].norm(dim=1).square()).clamp(min=0).sqrt()
        blows = struck(malicious, self.blow, 1.0, round)
        for row, blow, length in zip(sent, blows, room, strict=True):
            row[rest] = blow[rest] / blow[rest].norm().clamp(min=1e-12) * length
        return sent
