"""Which engine a cell's local training and evaluation run in."""

from __future__ import annotations

import json
from dataclasses import replace

import torch

from fflbench import registry
from fflbench.composition import build_defense
from fflbench.contracts import Stage
from fflbench.execution import Execution
from fflbench.extension import FLAVOURS
from fflbench.federation.native import native_model
from fflbench.federation.network import Network
from fflbench.federation.observation import prepared_model
from fflbench.federation.pearlmutter import straight_line
from fflbench.federation.task import load_task
from fflbench.records import Specification
from fflbench.rng import Rng

_covered: dict[str, bool] = {}


def settled(spec: Specification, execution: Execution) -> Execution:
    """With an engine that is native or torch: native where it is here, allowed, and covers the cell's model. Of a cell that
    observes, that is what attacks simulate: the rounds themselves stay with torch. Raises `DataError` when the task's data
    are not there."""
    possible = execution.allows_native and bool(FLAVOURS)
    return replace(execution, engine="native" if possible and _covers(spec, execution) else "torch")


def computed_by(execution: Execution) -> str:
    """For the record: `torch`, or `native` with the instruction set that it takes in this process."""
    return f"native {FLAVOURS[0]}" if execution.engine == "native" and FLAVOURS else "torch"


def _covers(spec: Specification, execution: Execution) -> bool:
    """Kept by track, data set, model and the stages that change the model."""
    changing = [part.model_dump() for part in spec.defense.parts if _changes_the_model(part.name)]
    observed = spec.track == "reconstruction"
    in_training = bool(observed and spec.task.settings.get("training_mode"))
    key = json.dumps([observed, in_training, spec.task.dataset, spec.task.model, changing], sort_keys=True)
    if key not in _covered:
        task = load_task(spec.task)
        try:
            model = prepared_model(task, build_defense(spec.defense), Rng(0))
        except Exception:  # A stage that cannot work with the model: the cell says so when it runs.
            return False
        network, inputs = Network(model, torch.device("cpu")), task.normalise(task.data.test.inputs[:1])
        if observed:
            shape = tuple(inputs.shape[1:])
            line = straight_line(network.model, network.layout, shape, in_training, FLAVOURS[0])
            _covered[key] = inputs.dtype == torch.float32 and line is not None
        else:
            _covered[key] = native_model(network, execution, inputs) is not None
    return _covered[key]


def _changes_the_model(defense: str) -> bool:
    part = registry.load("defenses", defense)
    return isinstance(part, type) and issubclass(part, Stage) and part.prepare_model is not Stage.prepare_model
