"""What a plug-in author needs to know, top to bottom.

A *task* is data, a model and the settings of a federation (or of an observed round). Against it, the benchmark matches

- a `PoisoningAttack` (one coalition of malicious peers) or a `ReconstructionAttack` (the server as observer), and
- a defense: any number of `Stage` objects on the peers' side, then any number of
  `PreAggregator` objects and one `Aggregator` on the server's.

Updates are one matrix: `updates[m, d]`, float32, row i = local minus global parameters of `peers[i]`, flattened in the
order of the `ParameterLayout`. A plug-in is a class (best a dataclass) whose constructor arguments are its parameters,
typed and, where it helps, bounded: `sigma: Annotated[float, Field(gt=0)] = 0.2`. Register it by an entry point, or put
it in one file and pass `--plugin my_defense.py`:

    from dataclasses import dataclass
    from fflbench.contracts import Aggregate, Aggregator
    from fflbench.registry import register

    @register("halved-mean")
    @dataclass
    class HalvedMean(Aggregator):
        \"\"\"Half of the mean update.\"\"\"
        def aggregate(self, upload, round):
            return Aggregate(upload.rows.mean(0) / 2)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor, nn

from fflbench.errors import DataError, UserError
from fflbench.rng import Rng

if TYPE_CHECKING:
    from fflbench.federation.trainer import Trainer

__all__ = [
    "Aggregate", "Aggregator", "Attack", "Coalition", "DataError", "Dataset", "Examples", "Knowledge", "Layout",
    "LoadedData", "Metric", "Observation", "Outcome", "Parameter", "Pipeline", "PoisoningAttack", "PreAggregator",
    "Reconstruction", "ReconstructionAttack", "Rng", "Round", "Server", "Stage", "TaskView", "Upload", "UserError",
    "Visibility",
]  # fmt: skip

DataKind = Literal["image", "tabular", "text"]


# ---------------------------------------------------------------------------------------------------------- data


@dataclass(frozen=True)
class Examples:
    """`inputs`: images float32 [n, channels, height, width] in [0, 1], tables float32 [n, features], texts int64
    [n, length]; `targets`: int64 [n]."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: Tensor) -> Examples:
        return Examples(self.inputs[index], self.targets[index])


@dataclass(frozen=True)
class LoadedData:
    """A data set in memory. `mean` and `std` are per channel (images only); `digest` is the SHA-256 of what was read."""

    train: Examples
    test: Examples
    classes: tuple[str, ...]
    kind: DataKind
    mean: tuple[float, ...]
    std: tuple[float, ...]
    vocabulary: int
    digest: str


class Dataset:
    """A data set plug-in; its constructor arguments are what a suite may set."""

    kind: ClassVar[DataKind]
    licence: ClassVar[str] = ""
    source: ClassVar[str] = ""

    def load(self) -> LoadedData:
        """Read the data. Raises `DataError` with the remedy when they are missing or damaged."""
        raise NotImplementedError


# ------------------------------------------------------------------------------------------------- model parameters


@dataclass(frozen=True)
class Parameter:
    """One tensor of a model inside a flat vector."""

    name: str
    shape: tuple[int, ...]
    offset: int
    size: int
    trainable: bool


@dataclass(frozen=True)
class Layout:
    """Where each tensor of a model lies in a flat vector of `size` entries: first the trainable parameters in the
    model's order, then the floating-point buffers (batch-norm statistics). Integer buffers stay the server's.

    >>> layout.view(updates, "fc2.bias").shape        # [m, d] -> [m, 10]
    >>> updates[:, layout.last_layer].norm(dim=1)     # the output layer's weight and bias
    """

    parameters: tuple[Parameter, ...]

    @classmethod
    def of(cls, model: nn.Module) -> Layout:
        """The layout of a model. Raises `UserError` if it has nothing to train."""
        tensors: list[tuple[str, Tensor, bool]] = [(n, p, True) for n, p in model.named_parameters() if p.requires_grad]
        if not tensors:
            raise UserError(f"model {type(model).__name__}: has no trainable parameter, needs at least one")
        tensors += [(n, b, False) for n, b in model.named_buffers() if b.is_floating_point()]
        found, offset = [], 0
        for name, tensor, trainable in tensors:
            found.append(Parameter(name, tuple(tensor.shape), offset, tensor.numel(), trainable))
            offset += tensor.numel()
        return cls(tuple(found))

    @property
    def size(self) -> int:
        last = self.parameters[-1]
        return last.offset + last.size

    @property
    def trainable(self) -> slice:
        """The part that the optimiser moves."""
        return slice(0, sum(p.size for p in self.parameters if p.trainable))

    @property
    def last_layer(self) -> slice:
        """The trainable tensors of the module registered last: for a classifier its output weight and bias, so models
        register their output layer last."""
        trained = [p for p in self.parameters if p.trainable]
        owner = trained[-1].name.rpartition(".")[0]
        start = min(p.offset for p in trained if p.name.rpartition(".")[0] == owner)
        return slice(start, trained[-1].offset + trained[-1].size)

    @property
    def last_weight(self) -> slice:
        """The last trainable tensor with two or more dimensions: a classifier's output weight without its bias."""
        weight = next((p for p in reversed(self.parameters) if p.trainable and len(p.shape) > 1), None)
        return slice(weight.offset, weight.offset + weight.size) if weight else self.last_layer

    def view(self, flat: Tensor, name: str) -> Tensor:
        """The named tensor inside `flat[..., d]`, as a view of shape [..., *shape]."""
        parameter = next((p for p in self.parameters if p.name == name), None)
        if parameter is None:
            raise KeyError(f"{name!r} is not in this layout: {', '.join(p.name for p in self.parameters)}")
        part = flat[..., parameter.offset : parameter.offset + parameter.size]
        return part.view(*flat.shape[:-1], *parameter.shape)

    def split(self, flat: Tensor) -> Iterator[tuple[Parameter, Tensor]]:
        """Every tensor of `flat[d]` with its description, as views."""
        for parameter in self.parameters:
            yield parameter, flat[parameter.offset : parameter.offset + parameter.size].view(parameter.shape)


# ------------------------------------------------------------------------------------------------ what hooks are given


@dataclass(frozen=True)
class TaskView:
    """What everybody may know of a task."""

    kind: DataKind
    classes: tuple[str, ...]
    input_shape: tuple[int, ...]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    peers: int = 0
    rounds: int = 0

    def normalise(self, inputs: Tensor) -> Tensor:
        """Images [n, c, h, w] from [0, 1] to what the model is fed; other data are passed on."""
        if self.kind != "image":
            return inputs
        return (inputs - _channels(self.mean, inputs)) / _channels(self.std, inputs)

    def denormalise(self, inputs: Tensor) -> Tensor:
        """Back to data range."""
        if self.kind != "image":
            return inputs
        return inputs * _channels(self.std, inputs) + _channels(self.mean, inputs)

    def class_index(self, name: int | str, owner: str) -> int:
        """The index of a class given by index or name; `owner` says in the error which field asked."""
        index = self.classes.index(name) if name in self.classes else name
        if not isinstance(index, int) or not 0 <= index < len(self.classes):
            raise UserError(f"{owner}: found {name!r}, needs 0 to {len(self.classes) - 1} or one of "
                            f"{', '.join(self.classes)}")  # fmt: skip
        return index


def _channels(values: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(values, device=like.device, dtype=like.dtype).view(1, -1, 1, 1)


@dataclass
class Round:
    """One round as stages, aggregators and attacks see it.

    `peers[i]` trained row i; `tolerated` is the number of attackers among them that the defense is asked to survive;
    `weights[k]` is the number of examples of peer k; `consents(k, j)` says whether peer k would exchange with peer j
    (the aggregator's word); `defense(rows)` runs the whole defense on other rows without changing its state, for
    adaptive attacks.
    """

    index: int
    total: int
    peers: tuple[int, ...]
    global_vector: Tensor
    layout: Layout
    rng: Rng
    task: TaskView
    tolerated: int = 0
    weights: dict[int, int] = field(default_factory=dict)
    consents: Callable[[int, int], bool] = lambda peer, partner: True
    defense: Callable[[Tensor], Tensor] | None = None
    coalition: Coalition | None = None


@dataclass(frozen=True)
class Coalition:
    """Who attacks, when, and how they upload: `members` are peers; `strategy` S1 sends what the defense's stages
    made of an attacker's update, S2 takes part in the exchange and then sends the attacker's own update."""

    members: tuple[int, ...]
    start: int = 0
    end: int | None = None
    strategy: Literal["S1", "S2"] = "S1"

    def active(self, index: int) -> bool:
        return self.start <= index and (self.end is None or index < self.end)


class Visibility(IntEnum):
    """What of the peers' updates reaches the server: only their sum, mixtures of several peers, or each one's own."""

    SUM = 0
    MIXED = 1
    INDIVIDUAL = 2


@dataclass(frozen=True)
class Upload:
    """What reached the server: `rows[n, d]`, row i sent by `peers[i]` (with SUM visibility one row, the mean of all).

    `pairs` are the peers that exchanged fragments (the server relays, so it knows); `absent` sat the round out;
    `sent` counts the bytes that peers sent, by phase; `row_bytes` is the size of one row on the wire when a stage
    compressed it (default: 4 bytes an entry).
    """

    rows: Tensor
    peers: tuple[int, ...]
    visibility: Visibility = Visibility.INDIVIDUAL
    pairs: tuple[tuple[int, int], ...] = ()
    absent: tuple[int, ...] = ()
    sent: dict[str, int] = field(default_factory=dict)
    row_bytes: int | None = None

    def only(self, keep: Sequence[int]) -> Upload:
        """The upload reduced to the rows with these indices, in this order."""
        index = torch.as_tensor(list(keep), dtype=torch.long, device=self.rows.device)
        return replace(self, rows=self.rows[index], peers=tuple(self.peers[i] for i in keep))

    def with_sent(self, phase: str, count: int) -> Upload:
        return replace(self, sent={**self.sent, phase: self.sent.get(phase, 0) + count})


@dataclass(frozen=True)
class Aggregate:
    """The server's step `vector[d]` (added to the global parameters) and, where the rule has one, its trust in each
    peer whose row it saw: larger means trusted more."""

    vector: Tensor
    trust: dict[int, float] | None = None


# ------------------------------------------------------------------------------------------------------------ attacks


class Knowledge(Enum):
    """What a coalition knows: each member its own data and update; all members'; or every honest update too."""

    OWN = "own data"
    COALITION = "coalition"
    OMNISCIENT = "omniscient"


class Attack:
    """Common to both kinds of attack."""

    paper: ClassVar[str] = ""
    data: ClassVar[tuple[DataKind, ...]] = ("image", "tabular", "text")

    def unfit(self, task: TaskView) -> str | None:
        """Why this attack cannot run on this task, or None. Parameters that depend on the task are checked here."""
        if task.kind not in self.data:
            return f"needs {' or '.join(self.data)} data, the task has {task.kind} data"
        return None


class PoisoningAttack(Attack):
    """One malicious coalition. Every hook defaults to honest behaviour."""

    knowledge: ClassVar[Knowledge] = Knowledge.OWN
    attackers: ClassVar[float] = 0.2
    """The share of peers in the coalition when a suite does not say."""

    def source_class(self, task: TaskView) -> int | None:
        """The class whose examples the attack is after: attackers are placed among the peers that hold it."""
        return None

    def poison_examples(self, examples: Examples, peer: int, task: TaskView, rng: Rng) -> Examples:
        """Change a member's training data, once, before the first round (label flips, triggers)."""
        return examples

    def local_training(self, trainer: Trainer, peer: int, round: Round) -> Trainer:
        """Another objective or projection (PGD, Neurotoxin): return `trainer.with_loss(...)` and the like."""
        return trainer

    def poison_updates(self, malicious: Tensor, honest: Tensor | None, round: Round) -> Tensor:
        """From the members' own updates [b, d] (and, if omniscient, the honest ones [h, d]) to what they send [b, d].
        May call `round.defense(rows)` to adapt; must not change its arguments."""
        return malicious

    def poison_upload(self, own: Tensor, shared: Tensor, round: Round) -> Tensor:
        """Cheat after the defense's stages: from the members' own updates [b, d] and what the stages made of them
        [b, d] to what they upload. The default follows the coalition's strategy."""
        return own if round.coalition is not None and round.coalition.strategy == "S2" else shared

    def wanted(self, test: Examples, task: TaskView, rng: Rng) -> tuple[Examples, Tensor] | None:
        """What success is: test examples (perhaps with a trigger, with their true targets) and the targets [n] that the
        attack wants for them; None for an untargeted attack."""
        return None


class Server(Enum):
    HONEST_BUT_CURIOUS = "honest but curious"
    MALICIOUS = "malicious"


@dataclass(frozen=True)
class Observation:
    """What the server saw of one round, and of one victim's upload in it.

    `model` is the network with the round's global parameters, in evaluation mode; `update[d]` is the row that the
    victim uploaded (a mixture under a mixing defense); `upload` is everything. The victim took `steps` plain gradient
    steps of size `learning_rate` on its `examples` examples, all of them in each step. `labels` are the victim's when
    the task says that the server knows them.
    """

    model: nn.Module
    layout: Layout
    update: Tensor
    upload: Upload
    task: TaskView
    steps: int
    learning_rate: float
    examples: int
    labels: Tensor | None

    @property
    def gradient(self) -> Tensor:
        """The mean gradient [d] that the update shows: exact for one step, the average over several."""
        return -self.update / (self.learning_rate * self.steps)


@dataclass(frozen=True)
class Reconstruction:
    """What the observer believes: `inputs[n, ...]` in data range, `labels[n]` or None, its own cost, steps really done."""

    inputs: Tensor
    labels: Tensor | None = None
    cost: float | None = None
    steps: int = 0


class ReconstructionAttack(Attack):
    """The server as observer."""

    server: ClassVar[Server] = Server.HONEST_BUT_CURIOUS
    data: ClassVar[tuple[DataKind, ...]] = ("image",)

    def tamper(self, model: nn.Module, task: TaskView, rng: Rng) -> nn.Module:
        """A malicious server changes the model that it sends."""
        return model

    def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
        """Guess the victim's examples from what was seen."""
        raise NotImplementedError


# ------------------------------------------------------------------------------------------------------------ defenses


class Stage:
    """The peers' side of a defense: what leaves their hands. Stages run in the order in which they are named."""

    paper: ClassVar[str] = ""
    reveals: ClassVar[Visibility] = Visibility.INDIVIDUAL

    def unfit(self, peers: int) -> str | None:
        """Why this stage cannot work with that many peers in a round, or None."""
        return None

    def prepare_model(self, model: nn.Module, rng: Rng) -> nn.Module:
        """Change the network for everybody (PRECODE)."""
        return model

    def local_training(self, trainer: Trainer, peer: int, round: Round) -> Trainer:
        """Change how every peer trains (FedProx, DP-SGD, Soteria)."""
        return trainer

    def share(self, upload: Upload, round: Round) -> Upload:
        """From what the peers (or the stage before) would send to what they send. Changes the `upload` it gets into a new
        one; the rows of the old one must stay as they are."""
        return upload


class PreAggregator:
    """A step on the server's side before aggregation, such as nearest-neighbour mixing."""

    paper: ClassVar[str] = ""
    needs: ClassVar[Visibility] = Visibility.MIXED

    def transform(self, upload: Upload, round: Round) -> Upload:
        raise NotImplementedError


class Aggregator:
    """The server's side. May keep state over rounds.

    `rejects_non_finite`: rows with NaN or infinite entries are dropped before `aggregate` sees them, each counting as
    one tolerated attacker found. Only a rule that is meant to show what happens without a defense turns it off.
    """

    paper: ClassVar[str] = ""
    needs: ClassVar[Visibility] = Visibility.MIXED
    rejects_non_finite: ClassVar[bool] = True

    def unfit(self, uploads: int, tolerated: int) -> str | None:
        """Why this rule cannot work on that many uploads with that many attackers tolerated, or None."""
        return None

    def select(self, candidates: Sequence[int], count: int, round_index: int, rng: Rng) -> tuple[int, ...]:
        """Who takes part in a round: `count` of the `candidates`, by default uniformly, in increasing order."""
        return tuple(sorted(rng.numpy().permutation(candidates)[:count].tolist()))

    def consents(self, peer: int, partner: int, round_index: int) -> bool:
        """Whether `peer`, going by what this rule has published, would exchange fragments with `partner`."""
        return True

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        """The step of the global model. `upload` is never empty and must not be changed."""
        raise NotImplementedError


Part = Stage | PreAggregator | Aggregator


@dataclass(frozen=True)
class Pipeline:
    """A named defense: the names of its parts, in order, and values that differ from the parts' own defaults.

    >>> FFL = Pipeline(("fragment-mixing", "reputation"), "peers exchange fragments, reputation replaces filtering")
    """

    parts: tuple[str, ...]
    summary: str
    paper: str = ""
    defaults: dict[str, object] = field(default_factory=dict)


# ------------------------------------------------------------------------------------------------------------- metrics


@dataclass(frozen=True)
class Outcome:
    """What metrics are computed from. Poisoning: `outputs[n, classes]` and `targets[n]` on the test data; on the
    attack's `wanted` examples the same as `wanted_outputs`, `wanted_targets` with the `wanted` classes; `trust` per
    peer and the `attackers`. Reconstruction: `originals` and `guesses` [n, ...] in [0, 1], matched in order, and labels."""

    outputs: Tensor | None = None
    targets: Tensor | None = None
    wanted_outputs: Tensor | None = None
    wanted_targets: Tensor | None = None
    wanted: Tensor | None = None
    trust: dict[int, float] | None = None
    attackers: tuple[int, ...] = ()
    originals: Tensor | None = None
    guesses: Tensor | None = None
    labels: Tensor | None = None
    guessed_labels: Tensor | None = None


class Metric:
    """One number with a name. `better` is the direction that is good *for the defense*."""

    label: ClassVar[str]
    unit: ClassVar[str] = ""
    better: ClassVar[Literal["higher", "lower"]]
    low: ClassVar[float | None] = None
    high: ClassVar[float | None] = None
    track: ClassVar[Literal["poisoning", "reconstruction"]]
    each_round: ClassVar[bool] = False

    def compute(self, outcome: Outcome) -> float | None:
        """The value, or None where the outcome holds nothing to measure it on."""
        raise NotImplementedError
