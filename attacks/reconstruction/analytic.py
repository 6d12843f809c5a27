"""Closed-form read-out of a linear first layer (Phong et al. 2018; Geiping et al. 2020, proposition 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from fflbench.attacks.reconstruction.labels import labels_of
from fflbench.contracts import DataKind, Observation, Reconstruction, ReconstructionAttack, Rng, TaskView

SAME = 1e-3
"""Root mean square difference below which two read-outs are of one example."""


@dataclass
class Analytic(ReconstructionAttack):
    """A row of the first weight's gradient divided by its bias's gradient is the input: exactly for one example.

    In a batch a row shows the examples that reach its neuron, mixed. What two rows show alike is one example alone, and
    the rows nearest to the data range are taken for the rest.
    """

    paper: ClassVar[str] = "https://arxiv.org/abs/2003.14053"
    data: ClassVar[tuple[DataKind, ...]] = ("image", "tabular")
    assumes: ClassVar[str] = "the first layer is linear with a bias; a batch only as far as neurons see single examples"
    cost: ClassVar[str] = "O(d)"

    def unfit_model(self, model: nn.Module, task: TaskView) -> str | None:
        if first_linear(model, task) is None:
            return (f"{type(self).__name__} needs a network whose first layer is linear with a bias, "
                    f"{type(model).__name__} has none")  # fmt: skip
        return None

    def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
        prefix = first_linear(seen.model, seen.task)
        assert prefix is not None
        weight, bias = (seen.layout.view(seen.gradient, f"{prefix}{part}").double() for part in ("weight", "bias"))
        weight, bias = weight.nan_to_num(0.0, 0.0, 0.0), bias.nan_to_num(0.0, 0.0, 0.0)
        if seen.examples == 1:
            rows = (bias @ weight / bias.square().sum().clamp(min=1e-300))[None]
        else:
            live = bias.abs() > 1e-6 * bias.abs().max()
            rows = apart(weight[live] / bias[live][:, None], bias[live].abs(), seen.examples, seen.task)
        missing = max(0, seen.examples - len(rows))
        rows = torch.cat([rows, rows.new_zeros(missing, rows.shape[1])])
        inputs = seen.task.denormalise(rows.float().view(-1, *seen.task.input_shape))
        return Reconstruction(inputs, labels_of(seen, rng))


def first_linear(model: nn.Module, task: TaskView) -> str | None:
    """What the names of its parameters begin with, if the layer that sees the inputs is linear with a bias."""
    size = torch.Size(task.input_shape).numel()
    first = next((name for name, p in model.named_parameters() if p.requires_grad), "")
    owner, dot, _ = first.rpartition(".")
    layer = model.get_submodule(owner)
    good = isinstance(layer, nn.Linear) and layer.bias is not None and layer.in_features == size
    return owner + dot if good else None


def apart(rows: Tensor, weights: Tensor, examples: int, task: TaskView) -> Tensor:
    """At most that many different rows: first those that others confirm, then those in the data range, then
    those with much gradient."""
    low, high = (task.normalise(torch.full((1, *task.input_shape), v)).double().view(-1) for v in (0.0, 1.0))
    if task.kind == "image":
        outside = (rows - torch.maximum(torch.minimum(rows, high), low)).square().mean(1)
    else:
        outside = rows.square().mean(1)
    distances = (torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist") / rows.shape[1] ** 0.5) < SAME
    confirmed = distances.sum(1)
    merits = zip((confirmed < 2).tolist(), outside.round(decimals=3).tolist(), (-weights).tolist(), strict=True)
    order = [index for _, index in sorted((merit, index) for index, merit in enumerate(merits))]
    chosen: list[int] = []
    for index in order:
        if len(chosen) < examples and not bool(distances[index, chosen].any()):
            chosen.append(index)
    return rows[chosen]
