"""A victim's simulated descent, differentiated by its inputs in native code, for small networks of known layers in a line.

Autograd runs through the backward pass again, which for small networks is hundreds of calls. Here one more pass finds how
the gradient changes along a direction of the parameters (the R-operator of Pearlmutter 1994,
https://doi.org/10.1162/neco.1994.6.1.147), and that is how the direction's share of it changes with the inputs.

With g_k = dL/dp at the parameters p_k of a local step, p_(k+1) = p_k - rate g_k, and w the derivative of a cost by the sum
of all g_k: backwards over the steps, u = w - rate a, the inputs get what dL/dx changes by along u, and a grows by what g_k
does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.func import debug_unwrap

from fflbench import extension
from fflbench.federation.native import layer_of
from fflbench.federation.steps import FOR_TOKENS, UntranslatableError
from fflbench.federation.tracing import evaluated, hooks_of
from fflbench.layout import Layout

if TYPE_CHECKING:
    from fflbench._native import Tape

LARGEST = 100_000
"""Trainable parameters from which on it is the arithmetic that takes the time, which torch's libraries do faster."""

_lines: WeakKeyDictionary[nn.Module, dict[tuple[tuple[int, ...], str], StraightLine | None]] = WeakKeyDictionary()


def straight_line(
    model: nn.Module, layout: Layout, shape: tuple[int, ...], training_mode: bool, flavour: str
) -> StraightLine | None:
    """A small network for inputs [n, *shape] with dropout off, or None where autograd has to do it: a network that is not a
    straight line of known layers or has hooks that look into it, batch norm that uses the batch."""
    known, key = _lines.setdefault(model, {}), (shape, flavour)
    if key not in known:
        try:
            known[key] = StraightLine(model, layout, shape, flavour) if layout.trainable.stop <= LARGEST else None
        except UntranslatableError:
            known[key] = None
    line = known[key]
    return None if line is None or line.watched or (training_mode and line.normalises) else line


class StraightLine:
    """A network in evaluation mode for inputs [n, *shape], on the CPU and in single precision. Raises `UntranslatableError`
    for one that is not a straight line of layers that the native code knows."""

    def __init__(self, model: nn.Module, layout: Layout, shape: tuple[int, ...], flavour: str) -> None:
        steps = evaluated(model, layout, shape)
        if any(step.kind in FOR_TOKENS for step in steps):
            raise UntranslatableError("a network that reads")
        self._descent = extension.native.Descent(
            [layer_of(step) for step in steps], shape, layout.size, layout.trainable.stop, flavour
        )
        self.outputs = steps[-1].outputs
        self.normalises = any(step.kind == "batch_norm" for step in steps)
        named = dict([*model.named_parameters(), *model.named_buffers()])
        self._tensors = [named[parameter.name] for parameter in layout.parameters]
        self._hooks = hooks_of(model)
        self._spare: list[Tape] = []

    @property
    def watched(self) -> bool:
        """Whether somebody has put hooks on the model since, which would not be called."""
        return any(self._hooks)

    def direction(self, inputs: Tensor, labels: Tensor, steps: int, rate: float) -> Tensor:
        """The sum [trainable] of the gradients of that many local steps on inputs [n, ...] with labels [n], or
        probabilities [n, classes] (of one logit [n]); differentiable in both, and under `vmap` for other inputs."""
        rest = probabilities(labels, self.outputs), self, steps, rate
        if debug_unwrap(inputs) is not inputs:
            found: Tensor = _SideBySide.apply(inputs, *rest)
            return found
        alone: Tensor = _Directions.apply(inputs[None], *rest)
        return alone[0]

    def forward(self, inputs: Tensor, targets: Tensor, steps: int, rate: float) -> tuple[Tensor, Tape]:
        """The same [starts, trainable] of inputs [starts, n, ...] and targets [n, outputs], and what `backward` needs."""
        tape = self._spare.pop() if self._spare else extension.native.Tape()
        parameters = torch.cat([tensor.detach().flatten() for tensor in self._tensors])
        rows = inputs.detach().flatten(2).contiguous().numpy()
        told = targets.detach().contiguous().numpy()
        return torch.from_numpy(self._descent.forward(tape, parameters.numpy(), rows, told, steps, rate)), tape

    def backward(self, tape: Tape, slope: Tensor) -> tuple[Tensor, Tensor]:
        """From the derivative [starts, trainable] of a cost by these directions to those by the inputs [starts, n, features]
        and by every start's probabilities [starts, n, outputs]. The tape can be written anew then."""
        inputs, targets = self._descent.backward(tape, slope.contiguous().numpy())
        self._spare.append(tape)
        return torch.from_numpy(inputs), torch.from_numpy(targets)


def probabilities(labels: Tensor, outputs: int) -> Tensor:
    """Labels [n], or probabilities [n, classes] or of one logit [n], as probabilities [n, outputs]."""
    if labels.is_floating_point():
        return labels if labels.dim() == 2 else labels[:, None]
    if outputs == 1:
        return labels[:, None].float()
    return torch.zeros(len(labels), outputs).scatter_(1, labels[:, None], 1.0)


class _Directions(torch.autograd.Function):
    """Of starts [starts, n, ...] and probabilities [n, outputs] that they share."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, targets: Tensor, line: StraightLine, steps: int, rate: float) -> Tensor:
        found, ctx.tape = line.forward(inputs, targets, steps, rate)
        ctx.line, ctx.shape = line, inputs.shape
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        inputs, targets = ctx.line.backward(ctx.tape, slope)
        return inputs.view(ctx.shape), targets.sum(0), None, None, None


class _SideBySide(torch.autograd.Function):
    """What `vmap` makes of it: all starts at once. Apart, since a function that `vmap` takes is slower to call."""

    @staticmethod
    def forward(inputs: Tensor, targets: Tensor, line: StraightLine, steps: int, rate: float) -> Tensor:
        raise NotImplementedError("needs vmap")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        pass

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], inputs: Tensor, *rest: Any) -> tuple[Tensor, int]:
        if in_dims[0] is None or in_dims[1] is not None:
            raise NotImplementedError("labels that differ between starts")
        found: Tensor = _Directions.apply(inputs.movedim(in_dims[0], 0), *rest)
        return found, 0
