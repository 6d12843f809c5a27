"""The type of a plug-in's parameter that counts rounds, or an attack's steps."""

from __future__ import annotations

from typing import Annotated


class CountsRounds:
    """The mark of such a parameter."""


Duration = Annotated[int, CountsRounds()]
"""What `--rounds-scale` shortens: `steps: Annotated[Duration, Field(ge=1)] = 300`."""
