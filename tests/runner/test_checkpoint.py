"""A cell that goes on from a checkpoint ends as one that was never interrupted, bit for bit, whatever takes part in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from fflbench.contracts import Aggregator, Pipeline, PoisoningAttack, PreAggregator, ServerStep
from fflbench.records import Record, RecordStore
from fflbench.registry import load, plugins
from fflbench.runner.cell import make_cell, run_cell
from fflbench.runner.checkpoint import Checkpoint
from fflbench.suite import load_suite

FEDERATION = """
name = "c"
seeds = [0]
defenses = [{defense}]
[poisoning]
attacks = [{attack}]
[[poisoning.tasks]]
label = "t"
dataset = "fashion-mnist-small"
model = {{ name = "mlp", hidden = [4] }}
peers = 8
rounds = 4
batch_size = 200
evaluate_every = 2
root_examples = 4000
"""

OBSERVED = """
name = "c"
seeds = [0]
defenses = ["{defense}"]
[reconstruction]
attacks = [{attack}]
[[reconstruction.tasks]]
label = "t"
dataset = "fashion-mnist-small"
model = {{ name = "mlp", hidden = [8] }}
peers = 4
victims = 3
"""

ATTACKS = [name for name, plugin in plugins("attacks").items() if issubclass(plugin.load(), PoisoningAttack)]
TEXT_OR_COLOUR = {"text-trigger", "edge-case"}
EARLY = {"fldetector": "start = 2, window = 2", "sleeper": "wake = 1"}
"""For a federation of four rounds."""


class Interrupted(Checkpoint):
    """Saves once, after a given number of steps, and counts the steps."""

    def __init__(self, path: Path, after: int = -1) -> None:
        super().__init__(path, 0.0, torch.device("cpu"))
        self.after, self.asked = after, 0

    def due(self) -> bool:
        self.asked += 1
        return self.asked == self.after

    def save(self, state: Mapping[str, Any]) -> None:
        super().save(state)
        assert self._path.is_file(), "not kept"


def whole_and_resumed(text: str, tmp_path: Path, after: int = 2) -> tuple[Record, Record, int]:
    """The record of a run that saved on its way, that of one which went on from there, and the steps that this one did not
    make again."""
    path = tmp_path / "s.toml"
    path.write_text(text)
    (spec,) = load_suite(str(path)).cells()
    cell, store, state = make_cell(spec, "s"), RecordStore(tmp_path / "r"), tmp_path / "state.npz"
    first, second = Interrupted(state, after), Interrupted(state)
    whole = run_cell(cell, store, keeper=first)
    resumed = run_cell(cell, store, keeper=second)
    assert whole.error == ""
    assert whole.status in ("ok", "diverged")
    return whole, resumed, first.asked - second.asked


def defense_with(name: str) -> str:
    """A whole defense around a part."""
    target = load("defenses", name)
    if isinstance(target, Pipeline) or issubclass(target, Aggregator):
        return f'{{ name = "{name}", {EARLY.get(name, "")} }}'.replace(",  }", " }")
    if issubclass(target, PreAggregator):
        return f'"{name}+krum"'
    return f'"mean+{name}"' if issubclass(target, ServerStep) else f'"{name}+mean"'


@pytest.mark.parametrize("name", [name for name in plugins("defenses") if name not in ("one-gradient",)])
def test_every_defense(name: str, tmp_path: Path) -> None:
    text = FEDERATION.format(defense=defense_with(name), attack='{ name = "sign-flip", attackers = 0.13 }')
    whole, resumed, spared = whole_and_resumed(text, tmp_path)
    assert resumed.comparable() == whole.comparable()
    if whole.status == "ok":
        assert spared == 2
        assert (whole.provenance.resumed, resumed.provenance.resumed) == (0, 1)


@pytest.mark.parametrize("name", [name for name in ATTACKS if name not in TEXT_OR_COLOUR])
def test_every_poisoning_attack(name: str, tmp_path: Path) -> None:
    early = f"{EARLY[name]}," if name in EARLY else ""
    text = FEDERATION.format(defense='"ffl"', attack=f'{{ {early} name = "{name}", attackers = 0.25 }}')
    whole, resumed, spared = whole_and_resumed(text, tmp_path)
    assert resumed.comparable() == whole.comparable()
    assert spared == 2


@pytest.mark.parametrize("after", [1, 3, 7, 13, 29])
@pytest.mark.parametrize(("attack", "defense"), [
    ('{ name = "inverting-gradients", steps = 5, restarts = 2 }', "fedavg"),
    ('{ name = "see-through-gradients", steps = 5, seeds = 2 }', "ffl"),
    ('{ name = "dlg", steps = 2 }', "secure-aggregation+mean"), ('"imprint"', "ffl"), ('"gradient-membership"', "ffl"),
])  # fmt: skip
def test_observers_go_on_between_victims_and_within(attack: str, defense: str, after: int, tmp_path: Path) -> None:
    whole, resumed, spared = whole_and_resumed(OBSERVED.format(defense=defense, attack=attack), tmp_path, after)
    assert resumed.comparable() == whole.comparable()
    assert spared in ((after - 1, after) if resumed.provenance.resumed else (0,))


def test_observers_of_tables_go_on_within_a_victim(tmp_path: Path) -> None:
    text = OBSERVED.format(defense="fedavg", attack='{ name = "tableak", steps = 4, ensemble = 3 }')
    text = text.replace('"fashion-mnist-small"', '"adult"').replace('{ name = "mlp", hidden = [8] }', '"adult-mlp"')
    whole, resumed, _ = whole_and_resumed(text, tmp_path, 7)
    assert resumed.comparable() == whole.comparable()
    assert resumed.provenance.resumed == 1


def test_a_damaged_checkpoint_costs_time_and_not_the_cell(tmp_path: Path) -> None:
    text = FEDERATION.format(defense='"ffl"', attack='"none"')
    whole, _, _ = whole_and_resumed(text, tmp_path)
    state = tmp_path / "state.npz"
    state.write_bytes(state.read_bytes()[:-100])
    (spec,) = load_suite(str(tmp_path / "s.toml")).cells()
    keeper = Interrupted(state)
    again = run_cell(make_cell(spec, "s"), RecordStore(tmp_path / "r"), keeper=keeper)
    assert again.comparable() == whole.comparable()
    assert (keeper.asked, again.provenance.resumed) == (4, 0)


def test_a_part_that_holds_what_no_file_can_runs_without_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from fflbench.defenses.aggregation.mean import Mean

    monkeypatch.setattr(Mean, "aggregate", _holding(Mean.aggregate))
    path = tmp_path / "s.toml"
    path.write_text(FEDERATION.format(defense='"mean"', attack='"none"'))
    (spec,) = load_suite(str(path)).cells()
    keeper = Checkpoint(tmp_path / "state.npz", 0.0, torch.device("cpu"))
    with caplog.at_level("INFO", "fflbench.cell"):
        record = run_cell(make_cell(spec, "s"), RecordStore(tmp_path / "r"), keeper=keeper)
    assert record.status == "ok"
    assert not (tmp_path / "state.npz").exists()
    assert [r.message for r in caplog.records if "no checkpoints" in r.message] == [
        "no checkpoints: state.kept.part 0.network holds a Linear, which cannot be kept in a file"
    ]


def _holding(aggregate: Any) -> Any:
    def changed(self: Any, upload: Any, round_: Any) -> Any:
        self.network = torch.nn.Linear(1, 1)
        return aggregate(self, upload, round_)

    return changed
