"""Pairs that cannot run are known before anything runs, with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from fflbench import registry
from fflbench.contracts import PreAggregator, TaskView, Upload
from fflbench.matching import incompatibility
from fflbench.suite import load_suite

SUITE = """
name = "m"
seeds = [0]
defenses = [{defense}]
[poisoning]
attacks = [{attack}]
[[poisoning.tasks]]
dataset = "fashion-mnist-small"
model = "strided-cnn"
peers = {peers}
rounds = 1
"""
VIEW = TaskView("image", tuple("abcdefghij"), (1, 28, 28), (0.5,), (0.5,), peers=10, rounds=1)


def reason(tmp_path: Path, defense: str, attack: str = '"none"', peers: int = 10, view: TaskView = VIEW) -> str | None:
    path = tmp_path / "m.toml"
    path.write_text(SUITE.format(defense=defense, attack=attack, peers=peers))
    return incompatibility(load_suite(str(path)).cells()[0], view)


def test_what_fits(tmp_path: Path) -> None:
    for pipeline in (
        '["mean"]',
        '["fragment-mixing", "krum"]',
        '["secure-aggregation", "mean"]',
        '["fragment-mixing", "secure-aggregation", "mean"]',
    ):
        assert reason(tmp_path, f'{{ label = "d", pipeline = {pipeline} }}') is None, pipeline


def test_a_rule_that_needs_single_uploads_cannot_work_on_a_sum(tmp_path: Path) -> None:
    why = reason(tmp_path, '{ label = "d", pipeline = ["secure-aggregation", "krum"] }')
    assert why == "Krum needs one upload a peer, the stages reveal only a sum"
    why = reason(
        tmp_path,
        '{ label = "d", pipeline = ["secure-aggregation", "mean"] }',
        '{ name = "gaussian-noise", strategy = "S2" }',
    )
    assert why == "the attack changes single uploads, the stages reveal only a sum"


def test_too_few_peers(tmp_path: Path) -> None:
    assert "needs at least f + 3" in str(reason(tmp_path, '{ label = "d", name = "krum", f = 4 }', peers=6))
    assert reason(tmp_path, '{ label = "d", name = "krum", f = 3 }', peers=6) is None


def test_a_coalition_of_nobody_would_flatter_every_defense(tmp_path: Path) -> None:
    why = reason(tmp_path, '{ label = "d", name = "mean" }', '"gaussian-noise"', peers=4)
    assert why == "attackers: 0.2 of 4 peers is nobody; use more peers or a larger share"


def test_an_attack_that_does_not_fit_the_task(tmp_path: Path) -> None:
    text = TaskView("text", ("neg", "pos"), (16,))
    flip = '{ name = "label-flip", source = 0 }'
    assert "target is not given" in str(reason(tmp_path, '{ label = "d", name = "mean" }', flip, view=text))


def test_a_rule_that_follows_peers_cannot_work_on_merged_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Halves(PreAggregator):
        """Keeps every other row."""

        def remaining(self, uploads: int) -> int:
            return uploads // 2

        def transform(self, upload: Upload, round: object) -> Upload:
            return upload.only(range(0, len(upload.peers), 2))

    plugin = registry.Plugin("defenses", "halves", Halves, "test")
    monkeypatch.setitem(registry._from_files, ("defenses", "halves"), plugin)
    why = reason(tmp_path, '{ label = "d", name = "halves+foolsgold" }')
    assert why == "FoolsGold follows each peer over the rounds, Halves merges their rows"
    assert reason(tmp_path, '{ label = "d", name = "halves+krum", f = 2 }') is None
    assert "needs at least f + 3 = 6 uploads to tolerate f = 3 attackers, has 5" in str(
        reason(tmp_path, '{ label = "d", name = "halves+krum", f = 3 }')
    )


OBSERVED = """
name = "o"
seeds = [0]
defenses = [{{ label = "d", name = "{defense}" }}]
[reconstruction]
attacks = ["{attack}"]
[[reconstruction.tasks]]
dataset = "fashion-mnist-small"
model = "{model}"
{settings}
"""


@pytest.mark.parametrize(
    ("attack", "defense", "model", "settings", "why"),
    [
        ("idlg", "mean", "lenet", "batch = 2", "ImprovedDeepLeakage reads 1 example from an update, a peer's speaks of 2"),
        ("r-gap", "secure-aggregation+mean", "lenet", "", "RecursiveGradientAttack reads 1 example from an update, everybody's speaks of 2"),
        ("r-gap", "mean", "lenet", "steps = 3", "RecursiveGradientAttack needs one gradient, the update is of 3 steps"),
        ("r-gap", "mean", "mnist-cnn", "", "RecursiveGradientAttack needs a chain of layers: the network has max_pool2d, which is neither a convolution, a linear layer nor an activation"),
        ("analytic", "mean", "lenet", "", "Analytic needs a network whose first layer is linear with a bias, LeNet has none"),
        ("analytic", "mean", "mlp", "", None),
        ("tag", "mean", "mlp", "", "needs text data, the task has image data"),
        ("imprint", "ffl", "mlp", "batch = 9", None),
        ("pair-sum", "mean", "lenet", "", "PairSum is after peers that exchanged fragments, here nobody exchanges any"),
        ("pair-sum", "fragment-mixing+secure-aggregation+mean", "lenet", "", "PairSum is after peers that exchanged fragments, here nobody exchanges any"),
        ("pair-sum", "fragment-mixing+median", "lenet", "", None),
        ("pair-voting", "ffl", "lenet", "", "PairVoting needs a network whose first layer is linear with a bias, LeNet has none"),
    ],
)  # fmt: skip
def test_observers_say_what_they_cannot_read(
    tmp_path: Path, attack: str, defense: str, model: str, settings: str, why: str | None
) -> None:
    from fflbench.federation.task import load_task

    path = tmp_path / "o.toml"
    path.write_text(OBSERVED.format(attack=attack, defense=defense, model=model, settings=settings))
    (spec,) = load_suite(str(path)).cells()
    assert incompatibility(spec, load_task(spec.task).view) == why
