"""A task in memory: its data, normalised once, and its model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from fflbench import parameters, registry
from fflbench.contracts import Examples, Layout, LoadedData, TaskView
from fflbench.data.check import checked_data
from fflbench.errors import UserError
from fflbench.records import TaskSpec
from fflbench.rng import Rng


@dataclass(frozen=True)
class Task:
    """The data of a task and what everybody may know of it."""

    spec: TaskSpec
    data: LoadedData
    view: TaskView

    def normalise(self, inputs: Tensor) -> Tensor:
        """Images from [0, 1] to zero mean and unit variance per channel; other data are passed on."""
        return self.view.normalise(inputs)

    def denormalise(self, inputs: Tensor) -> Tensor:
        return self.view.denormalise(inputs)

    def prepared(self, examples: Examples, device: torch.device) -> Examples:
        """Examples as the model is fed them, on the device."""
        return Examples(self.normalise(examples.inputs.to(device)), examples.targets.to(device))

    def build_model(self, rng: Rng) -> nn.Module:
        """A freshly initialised model; the same stream gives the same parameters."""
        target = registry.load("models", self.spec.model["name"], f"task {self.spec.label}: model")
        known: dict[str, Any] = {
            "task": self.view,
            "classes": len(self.data.classes),
            "input_shape": self.view.input_shape,
            "vocabulary": self.data.vocabulary,
        }
        supply = {name: known[name] for name in parameters.supplied(target)}
        with rng.inside_torch():
            model: object = parameters.construct(target, self.spec.model["parameters"], **supply)
        if not isinstance(model, nn.Module):
            raise UserError(
                f"task {self.spec.label}: model {self.spec.model['name']!r} is a {type(model).__name__}, needs nn.Module"
            )
        return model

    def check_model(self, model: nn.Module) -> None:
        """Raises `UserError` unless the model maps this task's inputs to one logit (two classes) or one per class."""
        name, classes = self.spec.model["name"], len(self.data.classes)
        model.eval()
        try:
            with torch.no_grad():
                outputs = model(self.normalise(self.data.test.inputs[:2]))
        except Exception as error:
            raise UserError(f"task {self.spec.label}: model {name!r} does not accept inputs of shape "
                            f"{self.view.input_shape}: {str(error).splitlines()[0]}") from error  # fmt: skip
        if not isinstance(outputs, Tensor):
            raise UserError(
                f"task {self.spec.label}: model {name!r} returns {type(outputs).__name__}, needs a tensor of logits"
            )
        Layout.of(model)
        good = outputs.shape[1:] in [(classes,)] + ([(1,)] if classes == 2 else [])
        if not good:
            raise UserError(f"task {self.spec.label}: model {name!r} gives outputs of shape {tuple(outputs.shape[1:])}, "
                            f"needs ({classes},) for {classes} classes")  # fmt: skip


def load_task(spec: TaskSpec) -> Task:
    """Load a task's data (kept for the next cell that uses them). Raises `DataError` with the remedy."""
    data = _load_data(spec.dataset["name"], json.dumps(spec.dataset["parameters"], sort_keys=True))
    view = TaskView(
        kind=data.kind,
        classes=data.classes,
        input_shape=tuple(data.train.inputs.shape[1:]),
        mean=data.mean,
        std=data.std,
        peers=spec.settings["peers"],
        rounds=spec.settings.get("rounds", 0),
        root_examples=spec.settings.get("root_examples", 0),
        vocabulary=data.vocabulary,
        levels=data.levels,
    )
    return Task(spec, data, view)


@lru_cache(maxsize=4)
def _load_data(name: str, values: str) -> LoadedData:
    dataset = parameters.construct(registry.load("datasets", name), json.loads(values))
    try:
        loaded = dataset.load()
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"data set {name}: loading failed: {type(error).__name__}: {error}") from error
    return checked_data(loaded, name)
