"""The round loop: select, train, poison, share, aggregate, evaluate."""

from __future__ import annotations

import copy
import math
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor

from fflbench.clock import Clock
from fflbench.contracts import Aggregate, Knowledge, Outcome, PoisoningAttack, Round, Upload, Visibility
from fflbench.errors import UserError
from fflbench.federation.checks import checked_aggregate, checked_rows, checked_selection
from fflbench.federation.setup import Federation
from fflbench.federation.sharing import finite_rows, passed_on, upload_bytes
from fflbench.federation.team import Work
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
        aggregate = _exchange(federation, round_, partial(_train, federation, round_), clock, history)
        if aggregate is not None:
            federation.global_vector = federation.global_vector + aggregate.vector
        round_.rehearse = round_.root_update = None  # They hold the round and the federation, and would outlive both.
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
    outputs = federation.team.forward(vector, federation.test.inputs)
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
        wanted_outputs=federation.team.forward(vector, examples.inputs),
        success=tuple((index, value) for index, value in curve if value is not None),
        left=federation.coalition.end,
    )


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
    """Every selected peer's update [m, d], the attackers' after poisoning. Honest rows lie before the attackers' until then,
    so that both are views of the one matrix."""
    members, attack = set(round_.coalition.members), federation.attack
    updates = torch.empty(len(round_.peers), round_.layout.size, device=federation.device)
    order = sorted(range(len(round_.peers)), key=lambda i: round_.peers[i] in members)
    place = {index: row for row, index in enumerate(order)}
    rows = {peer: updates[place[index]] for index, peer in enumerate(round_.peers)}
    federation.team.train((_work(federation, round_, peer, row) for peer, row in rows.items()), federation.global_vector)
    if members:
        _poison(attack, updates, len(order) - len(members), round_)
        put_back(updates, order)
    return updates


def _work(federation: Federation, round_: Round, peer: int, row: Tensor) -> Work:
    """A peer's local training as the stages, and the attack if it is a member, want it."""
    trainer, member = federation.trainer, peer in round_.coalition.members
    for stage in federation.defense.stages:
        trainer = stage.local_training(trainer, peer, round_)
    if member:
        trainer = federation.attack.local_training(trainer, peer, round_)
    examples = federation.poisoned_examples[peer] if member else federation.honest_examples[peer]
    return Work(trainer, examples, federation.rng.at("training", round=round_.index, peer=peer), row)


def _poison(attack: PoisoningAttack, updates: Tensor, honest: int, round_: Round) -> None:
    """Replace the rows after the first `honest` ones by what the attackers send."""
    own = updates[honest:]
    seen = updates[:honest].data if attack.knowledge is Knowledge.OMNISCIENT else None
    before = seen._version if seen is not None else 0
    poisoned = checked_rows(attack.poison_updates(own, seen, round_), tuple(own.shape), attack, "poison_updates")
    if seen is not None and seen._version != before:
        raise UserError(f"{type(attack).__name__}.poison_updates: changed the honest updates that it was shown")
    own.copy_(poisoned)


def put_back(rows: Tensor, order: list[int]) -> None:
    """Move row i to place `order[i]`, for all i, in place: cycle by cycle, with one row to spare."""
    moved = [False] * len(order)
    for first in range(len(order)):
        if moved[first] or order[first] == first:
            continue
        held, place = rows[first].clone(), order[first]
        while not moved[place]:
            moved[place] = True
            following = rows[place].clone()
            rows[place] = held
            held, place = following, order[place]


def _exchange(
    federation: Federation, round_: Round, train: Callable[[], Tensor], clock: Clock, history: History, cheat: bool = True
) -> Aggregate | None:
    """From updates to the server's step; None when nothing usable arrived. The updates are a large matrix, and only
    `upload` holds it."""
    with clock.phase("training"):
        upload = Upload(train(), round_.peers)
    with clock.phase("sharing"):
        own = _own_rows(federation, round_, upload) if cheat else {}
        for stage in federation.defense.stages:
            upload = passed_on(upload, stage, round_)
        if own:
            _cheat(federation, round_, upload, own)
        del own
    _count(history, upload, round_)
    with clock.phase("aggregation"):
        arrived = len(upload.rows)
        upload = _usable(federation, round_, upload)
        history.rejected += arrived - len(upload.rows)
        if not upload.peers:
            return None
        senders = len(upload.peers)
        for part in federation.defense.pre_aggregators:
            upload = passed_on(upload, part, round_)
        aggregate = _aggregate(federation, round_, upload, merged=len(upload.peers) < senders)
    for peer, value in (aggregate.trust or {}).items():
        history.trust[peer].append(float(value) if math.isfinite(value) else 0.0)
    return aggregate


def _own_rows(federation: Federation, round_: Round, upload: Upload) -> dict[int, Tensor]:
    """The attackers' rows before the stages change them, by peer, if the attack cheats with them afterwards."""
    if not federation.attack.holds_back(round_.coalition.strategy):
        return {}
    members = set(round_.coalition.members)
    return {peer: row.clone() for peer, row in zip(upload.peers, upload.rows, strict=True) if peer in members}


def _cheat(federation: Federation, round_: Round, upload: Upload, own: dict[int, Tensor]) -> None:
    """The attackers' chance to upload something else than the stages made of their rows; a sum leaves none."""
    members = [i for i, peer in enumerate(upload.peers) if peer in own]
    if not members or upload.visibility is Visibility.SUM:
        return
    peers = tuple(upload.peers[i] for i in members)
    mine = torch.stack([own[peer] for peer in peers])
    cheated = federation.attack.poison_upload(peers, mine, upload.rows[members], round_)
    upload.rows[members] = checked_rows(cheated, tuple(mine.shape), federation.attack, "poison_upload")


def _count(history: History, upload: Upload, round_: Round) -> None:
    history.uploads += len(upload.peers)
    history.absent += len(upload.absent)
    for phase, count in upload.sent.items():
        history.sent[phase] += count
    history.sent["upload"] += upload_bytes(upload, round_)


def _usable(federation: Federation, round_: Round, upload: Upload) -> Upload:
    """Without the rows that are not finite, unless the rule takes them as they come."""
    if not federation.defense.aggregator.rejects_non_finite or upload.visibility is Visibility.SUM:
        return upload
    finite = finite_rows(upload.rows)
    lost = [peer for peer, good in zip(upload.peers, finite, strict=True) if not good]
    if not lost:
        return upload
    round_.tolerated = max(0, round_.tolerated - _culprits(lost, upload))
    return upload.narrowed([i for i, good in enumerate(finite) if good])


def _aggregate(federation: Federation, round_: Round, upload: Upload, merged: bool) -> Aggregate:
    """What the rule and the server's steps make of the upload. Trust in merged rows is trust in no single peer."""
    aggregator, size = federation.defense.aggregator, round_.layout.size
    aggregate = checked_aggregate(aggregator.aggregate(upload, round_), size, upload, aggregator)
    if merged:
        aggregate = Aggregate(aggregate.vector)
    for step in federation.defense.server_steps:
        vector = checked_rows(step.step(aggregate.vector, round_), (size,), step, "step")
        aggregate = Aggregate(vector, aggregate.trust)
    return aggregate


def _culprits(lost: list[int], upload: Upload) -> int:
    """How many attackers it takes to spoil these peers' rows: one for both rows of a pair that exchanged fragments."""
    pair_of = {peer: pair for pair in upload.pairs for peer in pair}
    return len({pair_of.get(peer, (peer,)) for peer in lost})


def _rehearse(federation: Federation, round_: Round, rows: Tensor) -> Aggregate:
    """What the defense would make of other rows [m, d], without changing them or its state: for adaptive attacks."""
    trial = copy.copy(federation)
    trial.defense = copy.deepcopy(federation.defense)
    trial_round = copy.copy(round_)
    aggregator = trial.defense.aggregator
    trial_round.consents = lambda peer, partner: aggregator.consents(peer, partner, round_.index)
    trial_round.rng = round_.rng.at("rehearsal")
    aggregate = _exchange(trial, trial_round, rows.clone, Clock(), History(), cheat=False)
    return Aggregate(torch.zeros_like(rows[0])) if aggregate is None else aggregate
