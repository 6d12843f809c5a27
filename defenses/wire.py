"""What carries messages between peers and server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

M = TypeVar("M")


class Wire:
    """Carries everything as it is. A wire of a test loses, changes, repeats or diverts messages."""

    def carry(self, message: M) -> Sequence[M]:
        """What arrives of a message."""
        return (message,)
