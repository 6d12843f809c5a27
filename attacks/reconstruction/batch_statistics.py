"""What batch norm gives away: its running statistics move towards those of the victim's batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from fflbench.contracts import Observation


def shown_statistics(seen: Observation) -> dict[str, tuple[Tensor, Tensor]]:
    """Mean and (unbiased) variance [channels] of the victim's batch before each batch norm, by the module's name; empty
    unless peers took one step in training mode."""
    if not seen.training_mode or seen.steps > 1:
        return {}
    found = {}
    for name, module in seen.model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None and module.momentum:
            moved = [seen.layout.view(seen.update, f"{name}.running_{which}") for which in ("mean", "var")]
            before = (module.running_mean, module.running_var)
            mean, variance = (
                old + step / module.momentum for old, step in zip(before, moved, strict=True) if old is not None
            )
            found[name] = mean.clone(), variance.clone()
    return found


@contextmanager
def watching(seen: Observation, shown: dict[str, tuple[Tensor, Tensor]]) -> Iterator[list[Tensor]]:
    """Inside, every forward pass appends, for each batch norm, the distance of its batch's statistics to the shown ones."""
    distances: list[Tensor] = []
    modules = dict(seen.model.named_modules())

    def watch(name: str) -> RemovableHandle:
        mean, variance = shown[name]

        def measure(module: nn.Module, given: tuple[Tensor, ...]) -> None:
            batch = given[0].transpose(0, 1).flatten(1)
            distances.append((batch.mean(1) - mean).norm() + (batch.var(1) - variance).norm())

        handle: RemovableHandle = modules[name].register_forward_pre_hook(measure)
        return handle

    handles = [watch(name) for name in shown]
    try:
        yield distances
    finally:
        for handle in handles:
            handle.remove()
