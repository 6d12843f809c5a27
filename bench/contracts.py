"""What a plug-in author needs to know, top to bottom; data sets, layouts and metrics have files of their own.

A *task* is data, a model and the settings of a federation (or of an observed round). Against it, the benchmark matches

- a `PoisoningAttack` (one coalition of malicious peers) or a `ReconstructionAttack` (the server as observer), and
- a defense: any number of `Stage` objects on the peers' side, then any number of `PreAggregator` objects, one
  `Aggregator`, and any number of `ServerStep` objects on the server's.

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

One that runs software which it does not bring says which, as `tool = Tool(...)`: where that is missing, the plug-in is
listed with how to get it, and a suite that names it ends with that line before anything runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor, nn

from fflbench.dataset import DataKind, Dataset, Examples, LoadedData
from fflbench.errors import DataError, UnfitError, UserError
from fflbench.keeper import Descents
from fflbench.layout import Layout, Parameter
from fflbench.metric import Metric, Outcome
from fflbench.rng import Rng
from fflbench.round import Coalition, Round, TaskView
from fflbench.tool import Tool
from fflbench.upload import Aggregate, Upload, Visibility

if TYPE_CHECKING:
    from fflbench.federation.trainer import Trainer

__all__ = [
    "Aggregate", "Aggregator", "Attack", "Coalition", "DataError", "DataKind", "Dataset", "DefensePart", "Examples",
    "Knowledge", "Layout", "LoadedData", "Metric", "Observation", "Outcome", "Parameter", "Pipeline", "PoisoningAttack",
    "PreAggregator", "Reconstruction", "ReconstructionAttack", "Rng", "Round", "Server", "ServerStep", "Sight", "Stage",
    "TaskView", "Tool", "UnfitError", "Upload", "UserError", "Visibility",
]  # fmt: skip

# ------------------------------------------------------------------------------------------------------------ attacks


class Knowledge(Enum):
    """What a coalition knows: each member its own data and update; all members'; or every honest update too."""

    OWN = "own data"
    COALITION = "coalition"
    OMNISCIENT = "omniscient"


class Attack:
    """Common to both kinds of attack. `assumes` and `cost` are for the documentation: what must hold for it to work as its
    paper says, and what it costs the attacker (b attackers, h honest peers, d parameters)."""

    paper: ClassVar[str] = ""
    assumes: ClassVar[str] = ""
    cost: ClassVar[str] = ""
    tool: ClassVar[Tool | None] = None
    data: ClassVar[tuple[DataKind, ...]] = ("image", "tabular", "text")

    def unfit(self, task: TaskView) -> str | None:
        """Why this attack cannot run on this task, or None. Parameters that depend on the task are checked here."""
        if task.kind not in self.data:
            return f"needs {' or '.join(self.data)} data, the task has {task.kind} data"
        return None


class PoisoningAttack(Attack):
    """One malicious coalition. Every hook defaults to honest behaviour. An attack that works with more or less
    `knowledge` makes it a parameter: a field of that name."""

    knowledge: Knowledge = Knowledge.OWN
    attackers: ClassVar[float] = 0.2
    """The share of peers in the coalition when a suite does not say."""
    workspace: ClassVar[float] = 1.0
    """Memory that it needs beside the rows that it is shown, at its peak, in copies of them. With what it passes to
    `round.rehearse` and the copy that is made of it, for one that `rehearses`; what the defense needs comes on top."""
    rehearses: ClassVar[bool] = False

    def source_class(self, task: TaskView) -> int | None:
        """The class whose examples the attack is after: attackers are placed among the peers that hold it."""
        return None

    def poison_examples(self, examples: Examples, peer: int, coalition: Coalition, task: TaskView, rng: Rng) -> Examples:
        """Change a member's training data, once, before it first trains (label flips, triggers)."""
        return examples

    def local_training(self, trainer: Trainer, peer: int, round: Round) -> Trainer:
        """Another objective or projection (PGD, Neurotoxin): return `trainer.with_loss(...)` and the like."""
        return trainer

    def poison_updates(self, malicious: Tensor, honest: Tensor | None, round: Round) -> Tensor:
        """From the members' own updates [b, d] (and, if omniscient, the honest ones [h, d]) to what they send [b, d].
        May call `round.rehearse(rows)` to adapt. Its arguments are views of the round's matrix: it must not change them, and
        copies what it wants to keep."""
        return malicious

    def poison_upload(self, peers: tuple[int, ...], own: Tensor, shared: Tensor, round: Round) -> Tensor:
        """Cheat after the defense's stages: from the updates [b, d] of the members `peers` and what the stages made of
        them [b, d] to what they upload. The default follows the coalition's strategy."""
        return own if round.coalition.strategy == "S2" else shared

    def holds_back(self, strategy: str) -> bool:
        """Whether it looks at the members' own updates once the stages are through: those are kept for it."""
        return strategy == "S2" or type(self).poison_upload is not PoisoningAttack.poison_upload

    def wanted(self, test: Examples, task: TaskView, rng: Rng) -> tuple[Examples, Tensor] | None:
        """What success is: test examples (perhaps with a trigger, with their true targets) and the targets [n] that the
        attack wants for them; None for an untargeted attack."""
        return None


class Server(Enum):
    HONEST_BUT_CURIOUS = "honest but curious"
    MALICIOUS = "malicious"


@dataclass(frozen=True)
class Sight:
    """One observed round: the global parameters `start[d]` with which its peers began, and what they uploaded."""

    start: Tensor
    upload: Upload


@dataclass(frozen=True)
class Observation:
    """What the server saw of a round, the last of those observed, and of the upload of one peer in it, the `victim`.

    `model` is the network with the round's global parameters, in evaluation mode; `update[d]` is the row that the victim
    uploaded (a mixture under a mixing defense, the mean of all under a sum); `upload` is everything. `update` speaks of
    `examples` examples: the victim's, or under a sum everybody's. Each peer took `steps` plain gradient steps of size
    `learning_rate` on all its examples, with batch norm and dropout on if in `training_mode`. `labels` [examples] are there
    when the task says that the server knows them. `candidates` are records in data range among which are the victim's, for
    membership inference; the others are held by nobody in the round. `partner` is the peer that the victim exchanged
    fragments with, `partner_labels` are what the server knows of its labels. `rounds` are all rounds that were observed,
    each peer with the same examples in all. `own[d]` says, for an attack that `reads_masks`, which coordinates of the upload
    are the victim's own. For one that guesses links, `upload` is of the last round but one, and `unnamed[n, d]` are the
    uploads of the last in an order that tells nothing. `descents` keeps where long optimisations stand, so that a cell that
    was killed goes on there. Inside of `lowered()` a network computes as precisely as the victims' did (`--precision`).
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
    victim: int = 0
    candidates: Examples | None = None
    training_mode: bool = False
    partner: int | None = None
    partner_labels: Tensor | None = None
    rounds: tuple[Sight, ...] = ()
    own: Tensor | None = None
    unnamed: Tensor | None = None
    descents: Descents = field(default_factory=Descents, repr=False)
    lowered: Callable[[], AbstractContextManager[None]] = field(default=nullcontext, repr=False)

    @property
    def gradient(self) -> Tensor:
        """The mean gradient [d] that the update shows: exact for one step, the average over several."""
        return -self.update / (self.learning_rate * self.steps)

    @property
    def history(self) -> Tensor:
        """What reached the server of the victim [k, d], in the order of the k rounds in which it did."""
        return torch.stack([row for sight in self.rounds if (row := sight.upload.row_of(self.victim)) is not None])


@dataclass(frozen=True)
class Reconstruction:
    """What the observer believes: `inputs[examples, ...]` in data range (token ids for texts), `labels[examples]`, its own
    cost, steps really done; `membership[candidates]`, larger for records that it holds to be the victim's; `links[n]`,
    larger for unnamed uploads that it holds to be the victim's. What it does not guess is None. Where several peers'
    examples are mixed in an upload, it may return that many inputs: those that fit the victim's best are scored."""

    inputs: Tensor | None
    labels: Tensor | None = None
    cost: float | None = None
    steps: int = 0
    membership: Tensor | None = None
    links: Tensor | None = None


class ReconstructionAttack(Attack):
    """The server as observer. `guesses` is what it returns: the victim's inputs, which candidates are the victim's, or which
    unnamed upload is. `most_examples` is how many examples an update may speak of at most, `one_gradient` whether it needs a
    single local step, `reads_pairs` whether it needs peers that exchange fragments, `reads_masks` whether it is told which
    coordinates they exchanged, `least_rounds` how many rounds it must observe: where that is not so the cell is
    incompatible. `curious` peers, drawn from those that are not the victim, tell the server all that they know."""

    server: ClassVar[Server] = Server.HONEST_BUT_CURIOUS
    data: ClassVar[tuple[DataKind, ...]] = ("image",)
    guesses: ClassVar[Literal["inputs", "membership", "links"]] = "inputs"
    most_examples: ClassVar[int | None] = None
    one_gradient: ClassVar[bool] = False
    reads_pairs: ClassVar[bool] = False
    reads_masks: ClassVar[bool] = False
    least_rounds: ClassVar[int] = 1
    curious: int = 0

    def unfit_model(self, model: nn.Module, task: TaskView) -> str | None:
        """Why this attack cannot work on the network that the peers train, or None."""
        return None

    def tamper(self, model: nn.Module, task: TaskView, rng: Rng) -> nn.Module:
        """A malicious server changes the model that it sends."""
        return model

    def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
        """Guess the victim's examples from what was seen."""
        raise NotImplementedError


# ------------------------------------------------------------------------------------------------------------ defenses


class DefensePart:
    """Common to all parts of a defense. `assumes` and `cost` are for the documentation: what must hold for it to work as its
    paper says, and what it costs (n uploads, d parameters, f attackers tolerated)."""

    paper: ClassVar[str] = ""
    assumes: ClassVar[str] = ""
    cost: ClassVar[str] = ""
    tool: ClassVar[Tool | None] = None
    workspace: ClassVar[float] = 1.0
    """Memory that it needs beside the rows that it gets, at its peak, in copies of them."""

    def remembers(self, layout: Layout) -> int:
        """How many numbers it keeps over the rounds of each peer that took part, if they are many."""
        return 0

    def notes(self) -> dict[str, object]:
        """What the record should say of this part after the last round, such as the privacy that was spent."""
        return {}


class Stage(DefensePart):
    """The peers' side of a defense: what leaves their hands. Stages run in the order in which they are named."""

    reveals: ClassVar[Visibility] = Visibility.INDIVIDUAL

    def unfit(self, peers: int, task: TaskView) -> str | None:
        """Why this stage cannot work with that many peers in a round of this task, or None."""
        return None

    def prepare_model(self, model: nn.Module, rng: Rng) -> nn.Module:
        """Change the network for everybody (PRECODE). Raises `UnfitError` when this network does not allow it."""
        return model

    def local_training(self, trainer: Trainer, peer: int, round: Round) -> Trainer:
        """Change how every peer trains (FedProx, Soteria)."""
        return trainer

    def share(self, upload: Upload, round: Round) -> Upload:
        """From what the peers (or the stage before) would send to what they send. The stage owns the rows that it gets:
        it may change them in place or return new ones, and copies what it wants to keep."""
        return upload

    def undone(self, upload: Upload, known: dict[int, Tensor], round: Round) -> Upload:
        """What a server makes of the upload when some peers collude with it: everything undone that they took part in.
        `known` are the rows [d] with which they came to this stage. Returns new rows where it changes them."""
        return upload

    def own_entries(self, upload: Upload, peer: int, round: Round) -> Tensor | None:
        """Which entries [d] of what this stage made of the peer's row are still its own, where it mixes peers' rows."""
        return None


class PreAggregator(DefensePart):
    """A step on the server's side before aggregation, such as nearest-neighbour mixing. One that merges rows names, for
    each, one of the peers that went into it."""

    needs: ClassVar[Visibility] = Visibility.MIXED

    def unfit(self, uploads: int, tolerated: int, task: TaskView) -> str | None:
        """Why this step cannot work on that many uploads with that many attackers tolerated, or None."""
        return None

    def remaining(self, uploads: int) -> int:
        """How many rows are left of that many uploads."""
        return uploads

    def transform(self, upload: Upload, round: Round) -> Upload:
        """From what arrived to what the rule sees; it owns the rows, as a `Stage` does."""
        raise NotImplementedError


class Aggregator(DefensePart):
    """The server's rule. May keep state over rounds.

    `rejects_non_finite`: rows with NaN or infinite entries are dropped before `aggregate` sees them, each counting as
    one tolerated attacker found. Only a rule that is meant to show what happens without a defense turns it off.
    `follows_peers`: keeps something of each peer over the rounds, so rows must not be merged before it.
    """

    needs: ClassVar[Visibility] = Visibility.MIXED
    rejects_non_finite: ClassVar[bool] = True
    follows_peers: ClassVar[bool] = False

    def unfit(self, uploads: int, tolerated: int, task: TaskView) -> str | None:
        """Why this rule cannot work on that many uploads with that many attackers tolerated, or None."""
        return None

    def select(self, candidates: Sequence[int], count: int, round_index: int, rng: Rng) -> tuple[int, ...]:
        """Who takes part in a round: `count` of the `candidates`, by default uniformly, in increasing order."""
        return tuple(sorted(rng.numpy().permutation(candidates)[:count].tolist()))

    def consents(self, peer: int, partner: int, round_index: int) -> bool:
        """Whether `peer`, going by what this rule has published, would exchange fragments with `partner`."""
        return True

    def aggregate(self, upload: Upload, round: Round) -> Aggregate:
        """The step of the global model. `upload` is never empty and must not be changed; copy what is kept."""
        raise NotImplementedError


class ServerStep(DefensePart):
    """What the server makes of the aggregate before it adds it to the global model: an optimiser, a bound, noise. May keep
    state over rounds."""

    workspace: ClassVar[float] = 0.0

    def step(self, vector: Tensor, round: Round) -> Tensor:
        """From the aggregate [d] (or what the step before made of it) to the step of the global model [d]."""
        raise NotImplementedError


@dataclass(frozen=True)
class Pipeline:
    """A named defense: the names of its parts, in order, and values that differ from the parts' own defaults.

    >>> FFL = Pipeline(("fragment-mixing", "reputation"), "peers exchange fragments, reputation replaces filtering")
    """

    parts: tuple[str, ...]
    summary: str
    paper: str = ""
    defaults: dict[str, object] = field(default_factory=dict)
