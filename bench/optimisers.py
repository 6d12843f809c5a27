"""Torch's optimisers without torch's compiler. They load it before their first step, which takes time and memory in every
process, for nothing: nothing is compiled here."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch


class _Uncompiled(torch.optim.Optimizer):
    """Calls what torch wraps into something that loads the compiler."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        inspect.unwrap(torch.optim.Optimizer.add_param_group)(self, param_group)

    def state_dict(self) -> dict[str, Any]:
        state: dict[str, Any] = inspect.unwrap(torch.optim.Optimizer.state_dict)(self)
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        inspect.unwrap(torch.optim.Optimizer.load_state_dict)(self, state_dict)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        with torch.no_grad():
            return inspect.unwrap(super().step.__func__)(self, closure)  # type: ignore[attr-defined]


class SGD(_Uncompiled, torch.optim.SGD):
    pass


class Adam(_Uncompiled, torch.optim.Adam):
    pass


class LBFGS(_Uncompiled, torch.optim.LBFGS):
    pass
