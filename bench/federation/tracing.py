"""From a module to the layers of the native loop: its forward is traced, and every operation has to be a known one."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from fflbench.federation import steps
from fflbench.federation.steps import Shape, Step, Translated, UntranslatableError
from fflbench.layout import Layout

MODULES: dict[type[nn.Module], Callable[..., Translated]] = {
    nn.Conv2d: steps.convolution,
    nn.Linear: steps.linear,
    nn.BatchNorm1d: steps.batch_norm,
    nn.BatchNorm2d: steps.batch_norm,
    nn.Embedding: steps.embedding,
    nn.LSTM: steps.lstm,
    nn.MaxPool2d: lambda m, shape, _: steps.max_pool(
        shape, m.kernel_size, m.stride, m.padding, m.dilation, m.ceil_mode, m.return_indices
    ),
    nn.Dropout: lambda m, shape, _: steps.dropout(shape, m.p, m.training),
    nn.Dropout2d: lambda m, shape, _: steps.dropout2d(shape, m.p, m.training),
    nn.Flatten: lambda m, shape, _: steps.flatten(shape, m.start_dim, m.end_dim),
    nn.Identity: lambda m, shape, _: (None, shape),
    nn.ReLU: lambda m, shape, _: (Step("relu"), shape),
    nn.Sigmoid: lambda m, shape, _: (Step("sigmoid"), shape),
    nn.Tanh: lambda m, shape, _: (Step("tanh"), shape),
}

CALLS: dict[Any, Callable[..., Translated]] = {
    F.max_pool2d: steps.max_pool,
    torch.max_pool2d: steps.max_pool,
    F.dropout: steps.dropout,
    F.dropout2d: steps.dropout2d,
    torch.flatten: steps.flatten,
    "flatten": steps.flatten,
    "contiguous": steps.unchanged,
    **dict.fromkeys([torch.relu, F.relu, "relu"], steps.activation("relu")),
    **dict.fromkeys([torch.sigmoid, F.sigmoid, "sigmoid"], steps.activation("sigmoid")),
    **dict.fromkeys([torch.tanh, F.tanh, "tanh"], steps.activation("tanh")),
}


def translate(model: nn.Module, layout: Layout, shape: Shape) -> list[Step]:
    """The layers of a model for inputs [n, *shape], neighbours merged. Raises `UntranslatableError`.

    The model is traced in both modes: they have to do the same but for dropout, which evaluation must not have."""
    training, evaluation = (_in_mode(mode, model, layout, shape) for mode in (True, False))
    if evaluation != [step for step in training if step.kind != "dropout"]:
        raise UntranslatableError("training and evaluation that differ by more than dropout")
    return steps.merged(training)


def evaluated(model: nn.Module, layout: Layout, shape: Shape) -> list[Step]:
    """The layers of a model in evaluation mode, each by itself. Raises `UntranslatableError`."""
    return _in_mode(False, model, layout, shape)


def _in_mode(training: bool, model: nn.Module, layout: Layout, shape: Shape) -> list[Step]:
    modes = [(module, module.training) for module in model.modules()]
    try:
        return _Walk(model.train(training), layout, shape).steps()
    finally:
        for module, mode in modes:
            module.training = mode


def hooks_of(model: nn.Module) -> list[dict[int, Any]]:
    """Where somebody's hooks that look at or change what runs through a part of it are entered."""
    names = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [getattr(module, name) for module in model.modules() for name in names]


class _Walk:
    """Follows the one value that runs through a model, with its shape."""

    def __init__(self, model: nn.Module, layout: Layout, shape: Shape) -> None:
        if any(hooks_of(model)) or any(module.training != model.training for module in model.modules()):
            raise UntranslatableError("a part with hooks, or one that keeps its mode")
        self._model, self._shape = model, shape
        self._value: fx.Node | None = None
        self._shapes: set[fx.Node] = set()
        self._samples: set[fx.Node] = set()
        self._pair: fx.Node | None = None
        self._over_time: dict[fx.Node, str] = {}
        places = {parameter.name: parameter.offset for parameter in layout.parameters}
        tensors = [*model.named_parameters(), *model.named_buffers()]
        self._offsets = {id(tensor): places[name] for name, tensor in tensors if name in places}

    def steps(self) -> list[Step]:
        try:
            nodes = list(fx.Tracer().trace(self._model).nodes)
        except Exception as error:  # A user's forward may fail on a stand-in in any way.
            raise UntranslatableError(f"a forward that cannot be traced ({type(error).__name__})") from None
        found = [step for step in map(self._follow, nodes) if step is not None]
        if any(step.kind == "embedding" for step in found[1:]):
            raise UntranslatableError("an embedding of something other than the inputs")
        return found

    def _follow(self, node: fx.Node) -> Step | None:
        if node.op == "placeholder" and self._value is None and self._pair is None:
            self._value = node
            return None
        if node.op == "output":
            if node.args[0] is not self._value or len(self._shape) != 1:
                raise UntranslatableError("an output other than one row of logits a sample")
            return None
        if self._takes_outputs(node) or self._asks_for_size(node) or self._sums_up(node):
            return None
        if self._joins(node):
            step, self._shape = steps.over_time(self._shape)
            self._value = node
            return step
        if not node.args or node.args[0] is not self._value:
            raise UntranslatableError(f"{node.op} {node.target} beside the straight line")
        try:
            step, self._shape = self._translated(node)
        except TypeError:
            raise UntranslatableError(f"these arguments of {node.target}") from None
        self._value = node
        if step is not None and step.kind == "lstm":
            self._value, self._pair = None, node
        return step

    def _translated(self, node: fx.Node) -> Translated:
        if node.op == "call_module":
            module = self._model.get_submodule(str(node.target))
            if type(module) not in MODULES or len(node.args) != 1 or node.kwargs:
                raise UntranslatableError(type(module).__name__)
            return MODULES[type(module)](module, self._shape, self._offset)
        if node.target in ("view", "reshape"):
            return self._flattened(*node.args[1:], **node.kwargs)
        if node.target not in CALLS:
            raise UntranslatableError(f"{node.op} {getattr(node.target, '__name__', node.target)}")
        return CALLS[node.target](self._shape, *node.args[1:], **node.kwargs)

    def _flattened(self, *sizes: Any) -> Translated:
        """`x.view(len(x), -1)`, `x.view(-1, 320)` and their like."""
        rows, columns = sizes[0] if len(sizes) == 1 else sizes
        flat = steps.flatten(self._shape, 1)
        (features,) = flat[1]
        if not ((rows in self._samples and columns in (-1, features)) or (rows == -1 and columns == features)):
            raise UntranslatableError("a view other than one row a sample")
        return flat

    def _asks_for_size(self, node: fx.Node) -> bool:
        """`x.shape`, `x.size()`, and of these `[0]`; `x.size(0)`."""
        if not node.args or node.kwargs:
            return False
        source, asked = node.args[0], (node.target, *node.args[1:])
        if source is self._value and asked in ((getattr, "shape"), ("size",)):
            self._shapes.add(node)
        elif (source is self._value and asked == ("size", 0)) or (source in self._shapes and asked == (operator.getitem, 0)):
            self._samples.add(node)
        else:
            return False
        return True

    def _takes_outputs(self, node: fx.Node) -> bool:
        """`outputs, _ = lstm(x)`."""
        if node.target is not operator.getitem or self._pair is None or node.args[0] is not self._pair:
            return False
        if node.args == (self._pair, 0):
            self._value = node
        return node is self._value or not node.users

    def _sums_up(self, node: fx.Node) -> bool:
        """`x.mean(1)`, `x.max(1).values` of vectors in time."""
        source, asked = (node.args[0] if node.args else None), (node.target, *node.args[1:])
        in_time = source is self._value and len(self._shape) == 2 and not node.kwargs
        if in_time and asked in (("mean", 1), ("max", 1)):
            self._over_time[node] = str(node.target)
        elif isinstance(source, fx.Node) and self._over_time.get(source) == "max" and asked == (getattr, "values"):
            self._over_time[node] = "largest"
        else:
            return False
        return True

    def _joins(self, node: fx.Node) -> bool:
        """`torch.cat((mean, largest), dim=1)` of these."""
        if node.target is not torch.cat or not node.args or not isinstance(node.args[0], tuple | list):
            return False
        found = [self._over_time.get(part) for part in node.args[0] if isinstance(part, fx.Node)]
        return found == ["mean", "largest"] and ((*node.args[1:], *node.kwargs.values()) == (1,))

    def _offset(self, tensor: Tensor) -> int:
        if id(tensor) not in self._offsets:
            raise UntranslatableError("a layer with frozen parameters")
        return self._offsets[id(tensor)]
