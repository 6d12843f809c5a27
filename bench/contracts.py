"""What a plug-in author needs to know, top to bottom; data sets, layouts and metrics have files of their own.

A *task* is data, a model and the settings of a federation (or of an observed round). Against it, the benchmark matches

- a `PoisoningAttack` (one coalition of malicious peers) or a `ReconstructionAttack` (the server as observer), and
- a defense: any number of `Stage` objects on the peers' side, then any number of
  `PreAggregator` objects and one `Aggregator` on the server's.

Updates are one matrix: `updates[m, d]`, float32, row i = local minus global parameters of `peers[i]`, flattened in the
order of the `Layout`. A plug-in is a class (best a dataclass) whose constructor arguments are its parameters,
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

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor, nn

from fflbench.dataset import DataKind, Dataset, Examples, LoadedData
from fflbench.errors import DataError, UserError
from fflbench.layout import Layout, Parameter
from fflbench.metric import Metric, Outcome
from fflbench.rng import Rng

if TYPE_CHECKING:
    from fflbench.federation.trainer import Trainer

__all__ = [
    "Aggregate", "Aggregator", "Attack", "Coalition", "DataError", "DataKind", "Dataset", "Examples", "Knowledge", "Layout",
    "LoadedData", "Metric", "Observation", "Outcome", "Parameter", "Pipeline", "PoisoningAttack", "PreAggregator",
    "Reconstruction", "ReconstructionAttack", "Rng", "Round", "Server", "Stage", "TaskView", "Upload", "UserError",
    "Visibility",
]  # fmt: skip

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
