"""The server and some curious peers together: what they took part in is undone, the rest is inverted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from fflbench.attacks.reconstruction.inverting_gradients import InvertingGradients


@dataclass
class Collusion(InvertingGradients):
    """Of the peers that are not the victim, `curious` drawn ones tell the server their own updates, masks and what they
    received: a pair of which one is curious is unmixed exactly, and a sum loses what is theirs. What the server then has of
    the victim is inverted as `inverting-gradients` does: its own update if it met a curious peer, else a mixed one."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2003.14053"
    assumes: ClassVar[str] = "some peers are curious; few images an update, few local steps"

    curious: Annotated[int, Field(ge=0)] = 1
