"""The layers that the native loop knows, each with what it needs of a module and what it makes of a shape."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn

Shape = tuple[int, ...]
Offsets = Callable[[Tensor], int]
"""Where a tensor of the model lies in the flat vector; raises `UntranslatableError` for one that does not."""

LARGEST_WINDOW = 256

LARGEST_VOCABULARY = 1 << 24
"""Tokens go to the native loop as single precision, which tells so many apart."""

FOR_TOKENS = {"embedding", "lstm", "over_time"}
"""Kinds of layers of networks that read."""


class UntranslatableError(Exception):
    """Says which part of a model the native loop does not know."""


@dataclass(frozen=True)
class Step:
    """One layer, as `fflbench._native.Layer` takes it. `tensors` are places in the flat vector, as are those of an LSTM's
    `directions`: of its weights for inputs and for outputs, and of both biases. `drop`, `by_channel`, `pool` and `relu` of a
    convolution say what is done to its sums at once."""

    kind: str
    tensors: dict[str, int] = field(default_factory=dict)
    outputs: int = 0
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    padding: int = 0
    drop: float = 0.0
    by_channel: bool = False
    pool: bool = False
    relu: bool = False
    epsilon: float = 0.0
    momentum: float = 0.0
    vocabulary: int = 0
    directions: tuple[tuple[int, int, int, int], ...] = ()


Translated = tuple[Step | None, Shape]


def convolution(module: nn.Conv2d, shape: Shape, offsets: Offsets) -> Translated:
    padding = module.padding
    if module.groups != 1 or module.dilation != (1, 1) or module.padding_mode != "zeros" or isinstance(padding, str):
        raise UntranslatableError("Conv2d with groups, dilation or padding of another kind")
    if len(shape) != 3 or shape[0] != module.in_channels:
        raise UntranslatableError(f"Conv2d on inputs of {shape}")
    window = _window(module.kernel_size, module.stride, padding)
    step = Step("convolution", _tensors(offsets, weight=module.weight, bias=module.bias), module.out_channels, **window)
    return step, _slid(module.out_channels, shape, step)


def max_pool(
    shape: Shape, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Translated:  # fmt: skip
    step = Step("max_pool", **_window(kernel_size, stride or kernel_size, padding))
    if len(shape) != 3 or _pair(dilation) != (1, 1) or ceil_mode or return_indices or 2 * step.padding > min(step.kernel):
        raise UntranslatableError(f"max pooling with dilation, ceil_mode or indices, or on inputs of {shape}")
    return step, _slid(shape[0], shape, step)


def linear(module: nn.Linear, shape: Shape, offsets: Offsets) -> Translated:
    if shape != (module.in_features,):
        raise UntranslatableError(f"Linear on inputs of {shape}")
    step = Step("linear", _tensors(offsets, weight=module.weight, bias=module.bias), module.out_features)
    return step, (module.out_features,)


def batch_norm(module: nn.BatchNorm1d | nn.BatchNorm2d, shape: Shape, offsets: Offsets) -> Translated:
    rank = 1 if isinstance(module, nn.BatchNorm1d) else 3
    if len(shape) != rank or shape[0] != module.num_features:
        raise UntranslatableError(f"batch norm on inputs of {shape}")
    tensors = {"weight": module.weight, "bias": module.bias, "mean": module.running_mean, "variance": module.running_var}
    if module.momentum is None or any(tensor is None for tensor in tensors.values()):
        raise UntranslatableError("batch norm without weights, running statistics or momentum")
    step = Step("batch_norm", _tensors(offsets, **tensors), epsilon=module.eps, momentum=module.momentum)
    return step, shape


def embedding(module: nn.Embedding, shape: Shape, offsets: Offsets) -> Translated:
    if module.padding_idx is not None or module.max_norm is not None or module.scale_grad_by_freq or len(shape) != 1:
        raise UntranslatableError(f"Embedding with padding, a largest norm or scaled gradients, or on inputs of {shape}")
    if module.num_embeddings > LARGEST_VOCABULARY:
        raise UntranslatableError(f"Embedding of more than {LARGEST_VOCABULARY:,} tokens")
    step = Step("embedding", _tensors(offsets, weight=module.weight), module.embedding_dim, vocabulary=module.num_embeddings)
    return step, (*shape, module.embedding_dim)


def lstm(module: nn.LSTM, shape: Shape, offsets: Offsets) -> Translated:
    if module.num_layers != 1 or module.proj_size or not module.bias or not module.batch_first:
        raise UntranslatableError("LSTM with several layers, projections, without biases or with time first")
    if len(shape) != 2 or shape[1] != module.input_size:
        raise UntranslatableError(f"LSTM on inputs of {shape}")
    directions = tuple(
        (
            offsets(getattr(module, f"weight_ih_l0{suffix}")),
            offsets(getattr(module, f"weight_hh_l0{suffix}")),
            offsets(getattr(module, f"bias_ih_l0{suffix}")),
            offsets(getattr(module, f"bias_hh_l0{suffix}")),
        )
        for suffix in (["", "_reverse"] if module.bidirectional else [""])
    )
    return Step("lstm", outputs=module.hidden_size, directions=directions), (shape[0], len(directions) * module.hidden_size)


def over_time(shape: Shape) -> Translated:
    """The mean and the largest over time, side by side."""
    return Step("over_time"), (2 * shape[1],)


def dropout(shape: Shape, p: float = 0.5, training: bool = True, inplace: bool = False) -> Translated:
    return (Step("dropout", drop=float(p)) if training and p > 0 else None), shape


def dropout2d(shape: Shape, p: float = 0.5, training: bool = True, inplace: bool = False) -> Translated:
    if len(shape) != 3:
        raise UntranslatableError(f"dropout2d on inputs of {shape}")
    return (Step("dropout", drop=float(p), by_channel=True) if training and p > 0 else None), shape


def flatten(shape: Shape, start_dim: int = 0, end_dim: int = -1) -> Translated:
    if start_dim != 1 or end_dim not in (-1, len(shape)):
        raise UntranslatableError("flatten, unless from dimension 1 to the last")
    return None, (math.prod(shape),)


def unchanged(shape: Shape, *_: Any, **__: Any) -> Translated:
    return None, shape


def activation(kind: str) -> Callable[..., Translated]:
    """Of relu, sigmoid and tanh."""

    def translated(shape: Shape, inplace: bool = False) -> Translated:
        return Step(kind), shape

    return translated


def merged(steps: Sequence[Step]) -> list[Step]:
    """The same with ReLU, Dropout2d and 2x2 pooling drawn into the convolution before them. They may change places: their
    factors are not negative, and the largest of four is the same before and after."""
    found: list[Step] = []
    for step in steps:
        last = found[-1] if found else None
        if last is not None and last.kind == "convolution":
            into = _into_convolution(last, step)
            if into is not None:
                found[-1] = into
                continue
        found.append(step)
    return found


def _into_convolution(convolution: Step, step: Step) -> Step | None:
    if step.kind == "relu":
        return replace(convolution, relu=True)
    if step.kind == "max_pool" and (step.kernel, step.stride, step.padding) == ((2, 2), 2, 0) and not convolution.pool:
        return replace(convolution, pool=True)
    if step.kind == "dropout" and step.by_channel and not convolution.drop:
        return replace(convolution, drop=step.drop, by_channel=True)
    return None


def _window(kernel: Any, stride: Any, padding: Any) -> dict[str, Any]:
    size, (down, right), (above, before) = _pair(kernel), _pair(stride), _pair(padding)
    if down != right or above != before or math.prod(size) > LARGEST_WINDOW:
        raise UntranslatableError("a window with uneven strides or padding, or a very large one")
    return {"kernel": size, "stride": down, "padding": above}


def _pair(value: Any) -> tuple[int, int]:
    first, second = value if isinstance(value, tuple | list) else (value, value)
    return int(first), int(second)


def _slid(channels: int, shape: Shape, step: Step) -> Shape:
    """The shape after a window has passed over it."""
    height, width = ((shape[i + 1] + 2 * step.padding - step.kernel[i]) // step.stride + 1 for i in (0, 1))
    if min(height, width) < 1:
        raise UntranslatableError(f"a window of {step.kernel} on inputs of {shape}")
    return channels, height, width


def _tensors(offsets: Offsets, **tensors: Tensor | None) -> dict[str, int]:
    return {role: offsets(tensor) for role, tensor in tensors.items() if tensor is not None}
