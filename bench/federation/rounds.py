"""The round loop: select, train, poison, share, aggregate, evaluate."""

from __future__ import annotations

import copy
import math
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from fflbench.clock import Clock
from fflbench.contracts import Aggregate, Examples, Knowledge, Outcome, Round, Upload, Visibility
from fflbench.federation.checks import checked_aggregate, checked_rows, checked_selection, checked_upload
from fflbench.federation.setup import Federation
from fflbench.federation.sharing import staged, upload_bytes
from fflbench.keeper import Keeper
from fflbench.metrics.scoring import score
from fflbench.state import Kept

Progress = Callable[[int, int], None]


@dataclass
class History:
    """What happened over the rounds; `last` are the global models that the reported one is the mean of."""

    curves: dict[str, list[float | None]] = field(default_factory=lambda: defaultdict(list))
    evaluated: list[int] = field(default_factory=list)
    trust: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    sent: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    uploads: int = 0
    rejected: int = 0
    absent: int = 0
    diverged_in: int | None = None
    rounds: int = 0
    last: deque[Tensor] = field(default_factory=deque)


def run_rounds(federation: Federation, clock: Clock, progress: Progress, keeper: Keeper) -> tuple[History, Tensor]:
    """All rounds, from the one that `keeper` has kept. Returns what happened and the reported model [d], the mean of the
    last global models; stops early when the global model is no longer finite."""
    settings = federation.settings
    history = History(last=deque(maxlen=settings.reported_models))
    parts = {f"part {i}": part for i, part in enumerate(federation.defense.parts)}
    kept = Kept({"history": history, "clock": clock, "attack": federation.attack, **parts})
    saved = keeper.load()
    if saved:
        kept.restore(saved["kept"])
        federation.global_vector = saved["global model"]
    for index in range(history.rounds, settings.rounds):
        round_ = _begin(federation, index)
        with clock.phase("training"):
            updates = _train(federation, round_)
        aggregate = _exchange(federation, round_, updates, clock, history)
        if aggregate is not None:
            federation.global_vector = federation.global_vector + aggregate.vector
        history.rounds = index + 1
        if not bool(torch.isfinite(federation.global_vector).all()):
            history.diverged_in = index + 1
            break
        history.last.append(federation.global_vector)
        if (index + 1) % settings.evaluate_every == 0 or index + 1 == settings.rounds:
            with clock.phase("evaluation"):
                outcome = evaluate(federation, federation.global_vector, history)
                history.evaluated.append(index)
                for name, value in score("poisoning", outcome, each_round=True).items():
                    history.curves[name].append(value)
        progress(index + 1, settings.rounds)
        if keeper.due() and index + 1 < settings.rounds:
            keeper.save({"kept": kept.save(), "global model": federation.global_vector})
    reported = torch.stack(list(history.last)).mean(0) if history.last else federation.global_vector
    return history, reported


def evaluate(federation: Federation, vector: Tensor, history: History) -> Outcome:
    """The model `vector[d]` on the test data and on what the attack wants."""
    outputs = forward(federation, vector, federation.test)
    trust = {peer: sum(values) / len(values) for peer, values in history.trust.items()}
    outcome = Outcome(outputs=outputs, targets=federation.test.targets, trust=trust or None,
                      attackers=federation.coalition.members)  # fmt: skip
    if federation.wanted is None:
        return outcome
    examples, wanted = federation.wanted
    curve = zip(history.evaluated, history.curves.get("attack-success", []), strict=False)
    return replace(
        outcome,
        wanted=wanted,
        wanted_targets=examples.targets,
        wanted_outputs=forward(federation, vector, examples),
        success=tuple((index, value) for index, value in curve if value is not None),
        left=federation.coalition.end,
    )


def forward(federation: Federation, vector: Tensor, examples: Examples, block: int = 1000) -> Tensor:
    """The model's outputs [n, ...] in evaluation mode."""
    network = federation.network
    network.load(vector)
    network.model.eval()
    with torch.inference_mode(), federation.execution.lowered():
        blocks = [network.model(examples.inputs[i : i + block]) for i in range(0, len(examples), block)]
        return torch.cat(blocks).float()


def _begin(federation: Federation, index: int) -> Round:
    settings, aggregator = federation.settings, federation.defense.aggregator
    stream = federation.rng.at("selection", round=index)
    peers = aggregator.select(range(settings.peers), settings.selected, index, stream)
    peers = checked_selection(peers, settings.peers, aggregator)
    round_ = Round(
        index=index,
        total=settings.rounds,
        peers=peers,
        global_vector=federation.global_vector.clone(),
        layout=federation.network.layout,
        rng=federation.rng.at("round", round=index),
        task=federation.task.view,
        tolerated=settings.tolerated_count,
        weights=federation.weights,
        consents=lambda peer, partner: aggregator.consents(peer, partner, index),
        coalition=federation.coalition.acting(index, peers, federation.rng.at("acting", round=index)),
    )
    round_.rehearse = lambda rows: _rehearse(federation, round_, rows)
    if federation.root is not None:
        round_.root_update = lambda: _root_update(federation, index)
    return round_


def _root_update(federation: Federation, index: int) -> Tensor:
    """What the server learns from its own examples in this round, trained as a peer trains."""
    assert federation.root is not None
    stream = federation.rng.at("root-training", round=index)
    return federation.trainer.train(federation.root, federation.global_vector, stream)


def _train(federation: Federation, round_: Round) -> Tensor:
    """Every selected peer's update [m, d], the attackers' after poisoning."""
    updates = torch.empty(len(round_.peers), round_.layout.size, device=federation.device)
    attacking = [i for i, peer in enumerate(round_.peers) if peer in round_.coalition.members]
    for row, peer in enumerate(round_.peers):
        trainer, examples = federation.trainer, federation.honest_examples[peer]
        for stage in federation.defense.stages:
            trainer = stage.local_training(trainer, peer, round_)
        if row in attacking:
            examples = federation.poisoned_examples[peer]
            trainer = federation.attack.local_training(trainer, peer, round_)
        stream = federation.rng.at("training", round=round_.index, peer=peer)
        updates[row] = trainer.train(examples, federation.global_vector, stream)
    if attacking:
        honest = [i for i in range(len(round_.peers)) if i not in attacking]
        seen = updates[honest] if federation.attack.knowledge is Knowledge.OMNISCIENT else None
        poisoned = federation.attack.poison_updates(updates[attacking], seen, round_)
        shape = (len(attacking), round_.layout.size)
        updates[attacking] = checked_rows(poisoned, shape, federation.attack, "poison_updates")
    return updates


def _exchange(federation: Federation, round_: Round, updates: Tensor, clock: Clock, history: History) -> Aggregate | None:
    """From updates to the server's step; None when nothing usable arrived."""
    with clock.phase("sharing"):
        upload = _share(federation, round_, updates)
    with clock.phase("aggregation"):
        kept, aggregate = _aggregate(federation, round_, upload)
    history.uploads += len(upload.peers)
    history.rejected += len(upload.rows) - len(kept.rows)
    history.absent += len(upload.absent)
    for phase, count in upload.sent.items():
        history.sent[phase] += count
    history.sent["upload"] += upload_bytes(upload, round_)
    if aggregate is not None and aggregate.trust is not None:
        for peer, value in aggregate.trust.items():
            history.trust[peer].append(float(value) if math.isfinite(value) else 0.0)
    return aggregate


def _share(federation: Federation, round_: Round, updates: Tensor) -> Upload:
    """What reaches the server: the stages in order, then the attackers' chance to cheat."""
    upload = staged(federation.defense.stages, round_, updates.clone())
    members = [i for i, peer in enumerate(upload.peers) if peer in round_.coalition.members]
    if members and upload.visibility is not Visibility.SUM:
        own = updates[[round_.peers.index(upload.peers[i]) for i in members]]
        rows = upload.rows.clone()
        peers = tuple(upload.peers[i] for i in members)
        cheated = federation.attack.poison_upload(peers, own, upload.rows[members], round_)
        rows[members] = checked_rows(cheated, tuple(own.shape), federation.attack, "poison_upload")
        upload = Upload(**{**vars(upload), "rows": rows})
    return upload


def _aggregate(federation: Federation, round_: Round, upload: Upload) -> tuple[Upload, Aggregate | None]:
    """The server's side. Rows that are not finite are dropped first, unless the rule takes them as they come."""
    aggregator = federation.defense.aggregator
    if aggregator.rejects_non_finite and upload.visibility is not Visibility.SUM:
        finite = torch.isfinite(upload.rows).all(dim=1)
        if not bool(finite.all()):
            lost = [peer for peer, good in zip(upload.peers, finite.tolist(), strict=True) if not good]
            round_.tolerated = max(0, round_.tolerated - _culprits(lost, upload))
            upload = upload.only(finite.nonzero().flatten().tolist())
    if not upload.peers:
        return upload, None
    seen, size = upload, round_.layout.size
    for part in federation.defense.pre_aggregators:
        seen = checked_upload(part.transform(seen, round_), size, seen, part, "transform")
    aggregate = checked_aggregate(aggregator.aggregate(seen, round_), size, seen, aggregator)
    if len(seen.peers) < len(upload.peers):
        aggregate = Aggregate(aggregate.vector)  # Trust in merged rows is trust in no single peer.
    for step in federation.defense.server_steps:
        vector = checked_rows(step.step(aggregate.vector, round_), (size,), step, "step")
        aggregate = Aggregate(vector, aggregate.trust)
    return upload, aggregate


def _culprits(lost: list[int], upload: Upload) -> int:
    """How many attackers it takes to spoil these peers' rows: one for both rows of a pair that exchanged fragments."""
    pair_of = {peer: pair for pair in upload.pairs for peer in pair}
    return len({pair_of.get(peer, (peer,)) for peer in lost})


def _rehearse(federation: Federation, round_: Round, rows: Tensor) -> Aggregate:
    """What the defense would make of other rows [m, d], without changing its state: for adaptive attacks."""
    trial = copy.copy(federation)
    trial.defense = copy.deepcopy(federation.defense)
    trial_round = copy.copy(round_)
    aggregator = trial.defense.aggregator
    trial_round.consents = lambda peer, partner: aggregator.consents(peer, partner, round_.index)
    trial_round.rng = round_.rng.at("rehearsal")
    aggregate = _aggregate(trial, trial_round, staged(trial.defense.stages, trial_round, rows.clone()))[1]
    return Aggregate(torch.zeros_like(rows[0])) if aggregate is None else aggregate
