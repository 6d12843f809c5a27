"""Observed rounds: peers with examples, what they upload round by round, and what their peers know of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from fflbench.clock import Clock
from fflbench.composition import Defense
from fflbench.contracts import Examples, Round, Sight, Upload, Visibility
from fflbench.execution import Execution
from fflbench.federation.dealing import dealt
from fflbench.federation.network import Network
from fflbench.federation.sharing import passed_on, upload_bytes
from fflbench.federation.task import Task
from fflbench.federation.trainer import Trainer
from fflbench.rng import Rng
from fflbench.settings import ObservationSettings

STRANGERS = 50
"""Records of nobody among which a victim's are hidden, for membership inference."""


@dataclass(frozen=True)
class Scene:
    """Observed rounds before they take place: `batches[i][k]` are peer k's examples in round i, `strangers` are nobody's."""

    task: Task
    settings: ObservationSettings
    defense: Defense
    rng: Rng
    batches: list[list[Examples]]
    strangers: Examples


@dataclass(frozen=True)
class Played:
    """A round that was observed: `before[i]` are the peers' rows as they came to stage i, kept if somebody tells of them."""

    round: Round
    upload: Upload
    before: list[Upload] = field(default_factory=list)

    def seen(self, scene: Scene, curious: Sequence[int]) -> Sight:
        """What the server makes of it with these peers' help."""
        upload = self.upload
        for stage, before in zip(reversed(scene.defense.stages), reversed(self.before), strict=False):
            known = {peer: row for peer, row in zip(before.peers, before.rows, strict=True) if peer in curious}
            upload = stage.undone(upload, known, self.round) if known else upload
        return Sight(self.round.global_vector, upload)

    def own_entries(self, scene: Scene, peer: int) -> Tensor:
        """Which entries [d] of a peer's upload are its own."""
        own = torch.ones(self.round.layout.size, dtype=torch.bool, device=self.upload.rows.device)
        for stage in scene.defense.stages:
            mine = stage.own_entries(self.upload, peer, self.round)
            own = own if mine is None else own & mine
        return own


def drawn_scene(task: Task, settings: ObservationSettings, defense: Defense, rng: Rng) -> Scene:
    """Each peer's test examples, in data range, and some that nobody holds, if there are any left."""
    order = rng.at("victims").numpy().permutation(len(task.data.test)).tolist()
    held = dealt(task, settings, order, rng)
    taken = {index for mine in held for index in mine}
    free = [index for index in order if index not in taken][:STRANGERS]
    rounds = [held]
    if settings.held is not None:
        rounds = [_drawn(held, settings, rng.at("batch", round=index)) for index in range(settings.rounds)]
    batches = [[task.data.test[torch.tensor(mine)] for mine in round_] for round_ in rounds]
    return Scene(
        task,
        settings,
        defense,
        rng,
        batches * (settings.rounds // len(rounds)),
        task.data.test[torch.tensor(free, dtype=torch.long)],
    )


def _drawn(held: list[list[int]], settings: ObservationSettings, rng: Rng) -> list[list[int]]:
    """What each peer takes of its examples in a round."""
    streams = [rng.at("peer", peer=peer).numpy() for peer in range(settings.peers)]
    return [stream.choice(mine, settings.batch, replace=False).tolist() for mine, stream in zip(held, streams, strict=True)]


def played(network: Network, scene: Scene, clock: Clock, execution: Execution, told: bool) -> list[Played]:
    """All rounds, one after the other; between them the model moves by the mean of what was uploaded. With `told` rows are
    kept that peers may tell of."""
    settings = scene.settings
    # Attacks invert torch's gradients to the last digits.
    trainer = Trainer(network, epochs=settings.steps, batch_size=settings.batch, optimiser="sgd",
                      learning_rate=settings.learning_rate, training_mode=settings.training_mode,
                      execution=replace(execution, engine="torch"))  # fmt: skip
    start, rounds = network.flat.clone(), list[Played]()
    for index in range(settings.rounds):
        round_ = Round(
            index=index, total=settings.rounds, peers=tuple(range(settings.peers)), global_vector=start,
            layout=network.layout, rng=scene.rng.at("round", round=index), task=scene.task.view,
            weights=dict.fromkeys(range(settings.peers), settings.batch),
        )  # fmt: skip
        rounds.append(_play(round_, trainer, scene, clock, told))
        if len(rounds[-1].upload.rows):
            start = start + rounds[-1].upload.rows.mean(0)
    return rounds


def _play(round_: Round, plain: Trainer, scene: Scene, clock: Clock, told: bool) -> Played:
    start, stages, before = round_.global_vector, scene.defense.stages, list[Upload]()
    batches = scene.batches[round_.index]
    upload = Upload(torch.empty(len(batches), round_.layout.size, device=start.device), round_.peers)
    with clock.phase("training"):
        for peer, batch in enumerate(batches):
            trainer = plain
            for stage in stages:
                trainer = stage.local_training(trainer, peer, round_)
            stream = scene.rng.at("training", round=round_.index, peer=peer)
            upload.rows[peer] = trainer.train(scene.task.prepared(batch, start.device), start, stream)
    with clock.phase("sharing"):
        for stage in stages:
            if told:
                before.append(replace(upload, rows=upload.rows.clone()))
            upload = passed_on(upload, stage, round_)
    return Played(round_, upload.with_sent("upload", upload_bytes(upload, round_)), before)


def labels_seen(upload: Upload, victim: int, batches: list[Examples]) -> Tensor:
    """The labels that a victim's update of a round speaks of, whose `batches` are given."""
    if upload.visibility is Visibility.SUM:
        return torch.cat([batches[peer].targets for peer in upload.peers])
    return batches[victim].targets
