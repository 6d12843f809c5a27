"""Which cells can run: does the defense see what it needs, does the attack fit the task and the defense?"""

from __future__ import annotations

from fflbench import registry
from fflbench.composition import Defense, build_defense
from fflbench.contracts import Attack, DefensePart, PoisoningAttack, ReconstructionAttack, TaskView, Visibility
from fflbench.errors import UnfitError, UserError
from fflbench.federation.observation import prepared_model
from fflbench.federation.task import load_task
from fflbench.parameters import construct
from fflbench.records import Specification
from fflbench.rng import Rng
from fflbench.settings import FederationSettings, ObservationSettings

_SEES = {
    Visibility.SUM: "a sum",
    Visibility.MIXED: "one upload a peer",
    Visibility.INDIVIDUAL: "each peer's own update",
}


def incompatibility(spec: Specification, task: TaskView) -> str | None:
    """Why this cell cannot run, in one line, or None. Needs the task's data but trains nothing. A tool that is not installed
    makes nothing incompatible, which the ranking would take for safe: it raises `UserError`."""
    attack = construct(registry.load("attacks", spec.attack.name), spec.attack.parameters)
    defense = build_defense(spec.defense)
    _check_tool(f"attack {spec.attack.label}", attack)
    for part in defense.parts:
        _check_tool(f"defense {spec.defense.label}", part)
    try:
        reason: str | None = attack.unfit(task)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"attack {spec.attack.label}: unfit failed: {type(error).__name__}: {error}") from error
    if reason:
        return reason
    if spec.track == "reconstruction":
        return _unfit_observer(spec, defense, attack, task)
    return _unfit_poisoning(spec, defense, attack, task)


def _unfit_observer(spec: Specification, defense: Defense, attack: ReconstructionAttack, task: TaskView) -> str | None:
    settings = ObservationSettings.model_validate(spec.task.settings, strict=False)
    name, whose = type(attack).__name__, "a peer's"
    examples = settings.batch
    if defense.reveals is Visibility.SUM:
        examples, whose = settings.batch * settings.peers, "everybody's"
    if attack.most_examples is not None and examples > attack.most_examples:
        return f"{name} reads {attack.most_examples} example from an update, {whose} speaks of {examples}"
    if (attack.reads_pairs or attack.reads_masks) and defense.reveals is not Visibility.MIXED:
        return f"{name} is after peers that exchanged fragments, here nobody exchanges any"
    if attack.guesses == "links" and defense.reveals is Visibility.SUM:
        return f"{name} links single uploads, the stages reveal only a sum"
    if settings.rounds < attack.least_rounds:
        return f"{name} needs {attack.least_rounds} observed rounds, the task has {settings.rounds}"
    if attack.curious > settings.peers - 2:
        needed = f"{attack.curious + 2} peers: the victim, another one and {attack.curious} curious"
        return f"{name} needs {needed}; the task has {settings.peers}"
    if attack.one_gradient and settings.steps > 1:
        return f"{name} needs one gradient, the update is of {settings.steps} steps"
    reason = _unfit_stage(defense, settings.peers, task)
    if reason is None and type(attack).unfit_model is not ReconstructionAttack.unfit_model:
        try:
            reason = attack.unfit_model(prepared_model(load_task(spec.task), defense, Rng(spec.seed)), task)
        except UnfitError as error:
            reason = str(error)
    return reason


def _check_tool(owner: str, part: Attack | DefensePart) -> None:
    if part.tool and (missing := part.tool.missing()):
        raise UserError(f"{owner}: {missing}")


def _unfit_poisoning(spec: Specification, defense: Defense, attack: PoisoningAttack, task: TaskView) -> str | None:
    settings = FederationSettings.model_validate(spec.task.settings, strict=False)
    blind = defense.blind_part()
    if blind:
        return f"{blind[0]} needs {_SEES[blind[1]]}, the stages reveal only {_SEES[defense.reveals]}"
    coalition = spec.attack.coalition
    if coalition["start"] >= settings.rounds or (coalition["end"] or settings.rounds) <= coalition["start"]:
        end = coalition["end"] or settings.rounds
        return f"start {coalition['start']} and end {end} leave the attack none of the {settings.rounds} rounds"
    share = coalition["attackers"]
    if share > 0 and int(share * settings.peers + 1e-9) == 0:
        return f"attackers: {share:g} of {settings.peers} peers is nobody; use more peers or a larger share"
    cheats = spec.attack.coalition["strategy"] == "S2" or type(attack).poison_upload is not PoisoningAttack.poison_upload
    if cheats and defense.reveals is Visibility.SUM:
        return "the attack changes single uploads, the stages reveal only a sum"
    return _unfit_stage(defense, settings.selected, task) or _unfit_server(defense, settings, task)


def _unfit_stage(defense: Defense, peers: int, task: TaskView) -> str | None:
    return next((reason for stage in defense.stages if (reason := stage.unfit(peers, task))), None)


def _unfit_server(defense: Defense, settings: FederationSettings, task: TaskView) -> str | None:
    """The server's parts, each for the rows that the parts before it leave."""
    rows, tolerated, aggregator = settings.selected, settings.tolerated_count, defense.aggregator
    for part in defense.pre_aggregators:
        reason = part.unfit(rows, tolerated, task)
        if reason:
            return reason
        rows, before = part.remaining(rows), rows
        if rows < before and aggregator.follows_peers:
            return f"{type(aggregator).__name__} follows each peer over the rounds, {type(part).__name__} merges their rows"
    return aggregator.unfit(rows, tolerated, task)
