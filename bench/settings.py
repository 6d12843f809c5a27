"""The settings of a task, by track: what a suite may write under `[[poisoning.tasks]]` and `[[reconstruction.tasks]]`."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import pydantic
from pydantic import Field

from fflbench.data.partition import Partition

_CONFIG = pydantic.ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)

Share = Annotated[float, Field(ge=0, lt=0.5)]


class _TaskSettings(pydantic.BaseModel):
    """`rounds_scale` is the share of the rounds (and of an attack's steps) that is run. What is `_written_if_unusual` is
    left out where it is as usual, as in records from before it existed."""

    model_config = _CONFIG
    _written_if_unusual: ClassVar[tuple[str, ...]] = ("rounds_scale",)
    rounds_scale: Annotated[float, Field(gt=0, le=1)] = 1.0

    @pydantic.model_serializer(mode="wrap")
    def _without_the_usual(self, dump: pydantic.SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = dump(self)
        fields = type(self).model_fields
        return {k: v for k, v in values.items() if k not in self._written_if_unusual or v != fields[k].default}


class FederationSettings(_TaskSettings):
    """A federation that trains: who takes part and how peers train.

    `participation` is the share of peers selected in a round (at least two). `tolerated` is the share of attackers that
    defenses are told to survive, whatever the attack really uses. The reported model is the mean of the last
    `reported_models` global models. `root_examples` training examples are held out for the server itself. `drop_last`
    leaves out the last, smaller batch of an epoch, unless it is the only one.
    """

    peers: Annotated[int, Field(ge=2)]
    participation: Annotated[float, Field(gt=0, le=1)] = 1.0
    rounds: Annotated[int, Field(ge=1)]
    local_epochs: Annotated[int, Field(ge=1)] = 1
    batch_size: Annotated[int, Field(ge=1)] = 32
    optimiser: Literal["sgd", "adam"] = "sgd"
    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    drop_last: bool = True
    partition: Partition = Partition()
    tolerated: Share = 0.2
    root_examples: Annotated[int, Field(ge=0)] = 0
    reported_models: Annotated[int, Field(ge=1)] = 10
    evaluate_every: Annotated[int, Field(ge=1)] = 1

    @property
    def selected(self) -> int:
        """Peers in a round."""
        return min(self.peers, max(2, int(self.participation * self.peers + 1e-9)))

    @property
    def tolerated_count(self) -> int:
        """Attackers among the selected peers that defenses are told to survive."""
        return int(self.tolerated * self.selected + 1e-9)


class ObservationSettings(_TaskSettings):
    """An observed round from an untrained model: `peers` take part, each with its own `batch` test examples; the first
    `victims` of them are attacked. Of several `rounds` every peer is in each, and between them the model moves by the mean
    of what was sent. A peer's batch is the same in all of them; with `held` it is drawn anew every round from so many
    examples that the peer holds; with `classes` these are of so many classes. A peer takes `steps` plain gradient steps on
    its whole batch; one step means that the server sees a gradient. `images` (indices into the test data, peers x batch of
    them) pins the examples; otherwise the seed draws them. What the server knows besides: the labels, if `labels_known`; in
    `training_mode` (otherwise peers compute in evaluation mode) also the statistics of a batch, through batch norm's running
    ones."""

    _written_if_unusual: ClassVar[tuple[str, ...]] = ("rounds_scale", "rounds", "held", "classes")
    peers: Annotated[int, Field(ge=1)] = 2
    rounds: Annotated[int, Field(ge=1)] = 1
    victims: Annotated[int, Field(ge=1)] = 1
    batch: Annotated[int, Field(ge=1)] = 1
    steps: Annotated[int, Field(ge=1)] = 1
    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    labels_known: bool = True
    training_mode: bool = False
    held: Annotated[int, Field(ge=1)] | None = None
    classes: Annotated[int, Field(ge=1)] | None = None
    images: tuple[Annotated[int, Field(ge=0)], ...] = ()

    @property
    def holding(self) -> int:
        """Examples of each peer."""
        return self.held or self.batch

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> ObservationSettings:
        if self.victims > self.peers:
            raise ValueError(f"victims: found {self.victims}, needs at most the {self.peers} peers")
        if self.images and len(self.images) != self.peers * self.batch:
            raise ValueError(f"images: found {len(self.images)}, needs peers x batch = {self.peers * self.batch}")
        if self.held is not None and self.held < self.batch:
            raise ValueError(f"held: found {self.held}, needs at least the batch of {self.batch}")
        if self.images and (self.held is not None or self.classes is not None):
            raise ValueError("images: found beside held or classes, which draw the examples")
        return self


class Resources(pydantic.BaseModel):
    """What one cell of a task takes while it runs: `gpus`, a share of one (only where the run uses GPUs), and `memory` in GB
    (left out: what the benchmark estimates). It decides what runs at the same time, never a result."""

    model_config = _CONFIG
    gpus: Annotated[float, Field(gt=0, le=1)] = 1.0
    memory: Annotated[float, Field(gt=0)] | None = None


class CoalitionSettings(pydantic.BaseModel):
    """Who attacks: a share of the peers (of those that hold the source class), from round `start` to before `end`, and
    whether they upload what the defense made of their update (S1) or their own update after all (S2). `rotating`: every
    round that share of its peers attacks, drawn anew."""

    model_config = _CONFIG
    attackers: Share = 0.2
    start: Annotated[int, Field(ge=0)] = 0
    end: Annotated[int, Field(ge=1)] | None = None
    strategy: Literal["S1", "S2"] = "S1"
    rotating: bool = False
