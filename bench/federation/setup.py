"""Puts a federation together: peers with their data, the coalition, the network, the defense."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fflbench import registry
from fflbench.composition import Defense, build_defense
from fflbench.contracts import Coalition, Examples, PoisoningAttack
from fflbench.data.partition import partition
from fflbench.errors import UnfitError, UserError
from fflbench.execution import FULL, Execution
from fflbench.federation.holdings import Holdings, Indices, PoisonedHoldings
from fflbench.federation.network import Network
from fflbench.federation.observation import prepared_model
from fflbench.federation.task import Task, load_task
from fflbench.federation.team import Team
from fflbench.federation.trainer import Trainer
from fflbench.parameters import construct
from fflbench.records import Specification
from fflbench.rng import Rng
from fflbench.settings import CoalitionSettings, FederationSettings


@dataclass
class Federation:
    """Everything that a poisoning cell needs, in its state before the first round.

    `honest_examples[k]` and `poisoned_examples[k]` (members only) are prepared when they are asked for. `wanted` is what the
    attack is after on the test data: examples and the targets it wants. `root` are the server's own examples, held out
    before the peers get theirs.
    """

    task: Task
    settings: FederationSettings
    attack: PoisoningAttack
    coalition: Coalition
    defense: Defense
    network: Network
    team: Team
    trainer: Trainer
    global_vector: Tensor
    honest_examples: Holdings
    poisoned_examples: PoisonedHoldings
    test: Examples
    wanted: tuple[Examples, Tensor] | None
    root: Examples | None
    rng: Rng
    execution: Execution
    device: torch.device
    weights: dict[int, int] = field(default_factory=dict)


def build_federation(spec: Specification, execution: Execution = FULL) -> Federation:
    """Draw the partition, the coalition and the initial model; each from its own stream, so that cells of one seed are
    paired whatever their attack and defense."""
    settings, device = FederationSettings.model_validate(spec.task.settings, strict=False), torch.device(execution.device)
    task = load_task(spec.task)
    rng = Rng(spec.seed)
    attack = construct(registry.load("attacks", spec.attack.name), spec.attack.parameters)
    defense = build_defense(spec.defense)
    root, shares = _deal(task, settings, rng)
    coalition = _coalition(spec.attack.coalition, attack, task, shares, rng)
    holdings = Holdings(task, shares, device)
    network = Network(prepared_model(task, defense, rng), device)
    # The test data are shared by all cells of this process: an attack gets its own to stamp triggers on.
    own_test = Examples(task.data.test.inputs.clone(), task.data.test.targets.clone())
    wanted = attack.wanted(own_test, task.view, rng.at("wanted"))
    return Federation(
        task=task,
        settings=settings,
        attack=attack,
        coalition=coalition,
        defense=defense,
        network=network,
        team=Team(network, execution),
        trainer=_trainer(network, settings, execution),
        global_vector=network.flat.clone(),
        honest_examples=holdings,
        poisoned_examples=PoisonedHoldings(holdings, attack, coalition, rng),
        test=task.prepared(task.data.test, device),
        wanted=(task.prepared(wanted[0], device), wanted[1].to(device)) if wanted else None,
        root=task.prepared(task.data.train[torch.from_numpy(root)], device) if len(root) else None,
        rng=rng,
        execution=execution,
        device=device,
        weights={k: len(share) for k, share in enumerate(shares)},
    )


def _deal(task: Task, settings: FederationSettings, rng: Rng) -> tuple[Indices, list[Indices]]:
    """Which training examples are the server's own, and which each peer's."""
    targets, held = task.data.train.targets.numpy(), settings.root_examples
    if held >= len(targets):
        raise UserError(f"task {task.spec.label}: root_examples: found {held}, needs fewer than the {len(targets)} examples")
    order = rng.at("root-examples").numpy().permutation(len(targets)) if held else np.arange(len(targets))
    root, rest = np.sort(order[:held]), np.sort(order[held:])
    shares = partition(targets[rest], settings.peers, rng.at("partition").numpy(), settings.partition)
    return root, [rest[share] for share in shares]


def _coalition(values: dict[str, Any], attack: PoisoningAttack, task: Task, shares: list[Indices], rng: Rng) -> Coalition:
    """Drawn among the peers that hold the class that the attack is after."""
    source = attack.source_class(task.view)
    targets = task.data.train.targets.numpy()
    holders = [k for k, share in enumerate(shares) if source is None or (targets[share] == source).any()]
    return drawn_coalition(CoalitionSettings.model_validate(values), len(shares), holders, rng)


def drawn_coalition(settings: CoalitionSettings, peers: int, holders: Collection[int], rng: Rng) -> Coalition:
    """A share of the `holders` among so many peers; with `rotating` all are members, and every round draws its own."""
    count = int(settings.attackers * len(holders) + 1e-9)
    if settings.attackers > 0 and count == 0:
        raise UnfitError(f"attackers: found {settings.attackers:g} of the {len(holders)} peers that hold the source class, "
                        "which is nobody: use more peers or a larger share")  # fmt: skip
    order, holding = rng.at("coalition").numpy().permutation(peers).tolist(), set(holders)
    members = [k for k in order if k in holding][: len(holders) if settings.rotating and count else count]
    return Coalition(tuple(sorted(members)), settings.start, settings.end, settings.strategy, settings.rotating,
                     settings.attackers)  # fmt: skip


def _trainer(network: Network, settings: FederationSettings, execution: Execution) -> Trainer:
    return Trainer(
        network=network,
        epochs=settings.local_epochs,
        batch_size=settings.batch_size,
        optimiser=settings.optimiser,
        learning_rate=settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        drop_last=settings.drop_last,
        execution=execution,
    )
