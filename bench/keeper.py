"""Where a cell puts its state as it goes, so that it can go on after its process died."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any


class Keeper:
    """Keeps nothing. `due()` says whether it is time to `save`; `load()` is the last state saved, or None; `resumed` counts
    how often a cell went on from one."""

    resumed: int = 0

    def due(self) -> bool:
        return False

    def save(self, state: Mapping[str, Any]) -> None:
        pass

    def load(self) -> dict[str, Any] | None:
        return None


class Descents:
    """The long optimisations that an attack makes for one victim, in their order: where each stands. `around` is the rest of
    the cell's state; `saved` is where they stood when the cell was killed."""

    def __init__(
        self,
        keeper: Keeper | None = None,
        around: Callable[[], dict[str, Any]] = dict,
        saved: Sequence[dict[str, Any]] = (),
    ) -> None:
        self._keeper, self._around, self._states, self._begun = keeper or Keeper(), around, list(saved), 0

    def begin(self) -> Descent:
        """The next one. Attacks make the same ones in the same order whenever they see the same."""
        self._begun += 1
        if len(self._states) < self._begun:
            self._states.append({})
        return Descent(self, self._begun - 1)

    def due(self) -> bool:
        return self._keeper.due()

    def state(self, index: int) -> dict[str, Any]:
        return self._states[index]

    def put(self, index: int, state: dict[str, Any], write: bool) -> None:
        self._states[index] = state
        if write:
            self._keeper.save({**self._around(), "descents": self._states})


class Descent:
    """One optimisation: `state` is where it stood, empty for a new one. One that is `finished` is kept in full until its
    victim is done with."""

    def __init__(self, owner: Descents, index: int) -> None:
        self._owner, self._index = owner, index

    @property
    def state(self) -> dict[str, Any]:
        return self._owner.state(self._index)

    def due(self) -> bool:
        return self._owner.due()

    def save(self, state: dict[str, Any]) -> None:
        self._owner.put(self._index, state, write=True)

    def finish(self, state: dict[str, Any]) -> None:
        self._owner.put(self._index, state, write=False)
