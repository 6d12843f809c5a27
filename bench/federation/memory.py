"""How much memory a cell will take, before it starts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fflbench import registry
from fflbench.composition import Defense, build_defense
from fflbench.contracts import Examples, Knowledge, Layout, PoisoningAttack
from fflbench.federation.observation import prepared_model
from fflbench.federation.task import Task
from fflbench.parameters import construct
from fflbench.records import Specification
from fflbench.rng import Rng
from fflbench.settings import CoalitionSettings, FederationSettings, ObservationSettings

NUMBER = 4
"""Bytes of a number in the updates."""
PROCESS = 950_000_000
"""A process with the libraries imported, their buffers, and the blocks that are worked on at a time."""
VECTORS = 20
"""Vectors as long as the model that live at once: the network, its gradient, the optimiser, the global model, a step."""
OBSERVER = 600_000_000
"""What a reconstruction may take: its network's activations, derivatives of second order, pictures and scores."""
EVALUATED = 1000
"""Examples that go through the network at once when it is evaluated."""


@dataclass(frozen=True)
class Estimate:
    """Bytes, part by part; `largest` is whose workspace counts, the largest of those that live one after the other."""

    peers: int
    parameters: int
    updates: int
    workspace: int
    largest: str
    kept: int
    data: int
    model: int
    activations: int
    process: int

    @property
    def total(self) -> int:
        return self.updates + self.workspace + self.kept + self.data + self.model + self.activations + self.process

    def __str__(self) -> str:
        """One line: the total, and the parts that show in it.

        >>> 6.3 GB: updates 4.0 (1,000 peers x 1,000,000 parameters), workspace 0.4 (fragment-mixing), process 0.9
        """
        remarks = {"updates": f" ({self.peers:,} peers x {self.parameters:,} parameters)", "workspace": f" ({self.largest})"}
        parts = []
        for name in ("updates", "workspace", "kept", "data", "model", "activations", "process"):
            size = getattr(self, name) / 1e9
            if size >= 0.05 or name == "updates":
                parts.append(f"{name} {size:.1f}{remarks.get(name, '')}")
        return f"{self.total / 1e9:.1f} GB: {', '.join(parts)}"


def estimate(spec: Specification, task: Task) -> Estimate:
    """What a cell will need at its peak. Trains nothing. Raises `UnfitError` where a stage cannot work with the model."""
    defense = build_defense(spec.defense)
    shape = _shape(spec, task, defense)
    if spec.track == "reconstruction":
        return _observed(spec, task, defense, shape)
    settings = FederationSettings.model_validate(spec.task.settings, strict=False)
    coalition = CoalitionSettings.model_validate(spec.attack.coalition)
    attack: PoisoningAttack = construct(registry.load("attacks", spec.attack.name), spec.attack.parameters)
    peers, size = settings.selected, shape.layout.size
    attackers = min(peers, int(coalition.attackers * peers) + 1) if coalition.attackers else 0
    row = NUMBER * size
    part_of = min(settings.peers, peers * settings.rounds)
    kept = NUMBER * part_of * sum(part.remembers(shape.layout) for part in defense.parts)
    largest, workspace = _workspace(spec, defense, peers * row)
    if attackers:
        held = attackers * row if attack.holds_back(coalition.strategy) else 0
        shown = (peers if attack.knowledge is Knowledge.OMNISCIENT else attackers) * row
        poisoning = int(attack.workspace * shown) + (workspace + kept if attack.rehearses else 0)
        largest, workspace = max((largest, workspace + held), (spec.attack.name, poisoning + 3 * held), key=lambda x: x[1])
    train, test = _bytes(task.data.train), _bytes(task.data.test)
    trained = min(settings.batch_size, len(task.data.train)) * 4 * shape.all_outputs
    return Estimate(
        peers=peers,
        parameters=size,
        updates=peers * row,
        workspace=workspace,
        largest=largest,
        kept=kept,
        data=int(train * (1 + coalition.attackers) + 4 * test),
        model=row * (VECTORS + 2 * min(settings.rounds, settings.reported_models)),
        activations=NUMBER * max(trained, EVALUATED * 3 * shape.largest_output),
        process=PROCESS,
    )


def _observed(spec: Specification, task: Task, defense: Defense, shape: _Shape) -> Estimate:
    settings = ObservationSettings.model_validate(spec.task.settings, strict=False)
    row = NUMBER * shape.layout.size
    largest, workspace = _workspace(spec, defense, settings.peers * row)
    return Estimate(
        peers=settings.peers,
        parameters=shape.layout.size,
        updates=settings.rounds * settings.peers * row,
        workspace=workspace + OBSERVER,
        largest=f"{spec.attack.name}, {largest}",
        kept=0,
        data=_bytes(task.data.train) + _bytes(task.data.test),
        model=row * VECTORS,
        activations=NUMBER * settings.batch * 4 * shape.all_outputs,
        process=PROCESS,
    )


def _workspace(spec: Specification, defense: Defense, matrix: int) -> tuple[str, int]:
    """The part of the defense that needs most beside the updates, and how much."""
    needs = {part.name: built.workspace for part, built in zip(spec.defense.parts, defense.parts, strict=True)}
    name = max(needs, key=lambda part: needs[part])
    return name, int(needs[name] * matrix)


def _bytes(examples: Examples) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in (examples.inputs, examples.targets))


@dataclass(frozen=True)
class _Shape:
    """A task's network: its layout, and how many numbers its layers put out for one example, all and the largest."""

    layout: Layout
    all_outputs: int
    largest_output: int


_shapes: dict[str, _Shape] = {}


def _shape(spec: Specification, task: Task, defense: Defense) -> _Shape:
    """Kept by data set, model and stages: those may change the model."""
    stages = [part.model_dump() for part in spec.defense.parts if part.kind == "stage"]
    key = json.dumps([spec.task.dataset, spec.task.model, stages], sort_keys=True)
    if key not in _shapes:
        model = prepared_model(task, defense, Rng(0))
        _shapes[key] = _Shape(Layout.of(model), *_outputs(model, task.normalise(task.data.test.inputs[:2])))
    return _shapes[key]


def _outputs(model: nn.Module, inputs: Tensor) -> tuple[int, int]:
    """How many numbers all layers and the largest one put out for one of these inputs, which count as well."""
    sizes = [inputs.numel()]

    def note(module: nn.Module, given: Any, output: Any) -> None:
        tensors = output if isinstance(output, tuple) else (output,)
        sizes.append(sum(tensor.numel() for tensor in tensors if isinstance(tensor, Tensor)))

    handles = [module.register_forward_hook(note) for module in model.modules() if not any(module.children())]
    model.eval()
    with torch.no_grad():
        model(inputs)
    for handle in handles:
        handle.remove()
    return sum(sizes) // len(inputs), max(sizes) // len(inputs)
