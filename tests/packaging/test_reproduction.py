"""docs/reproduction.md says what the committed records say, and the paper's suites are the paper's settings."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from fflbench.clock import Clock
from fflbench.contracts import Aggregate, Round, Upload
from fflbench.defenses.aggregation.mean import Mean
from fflbench.federation.rounds import run_rounds
from fflbench.federation.setup import build_federation
from fflbench.keeper import Keeper
from fflbench.suite import load_suite

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "docs" / "runs")]

import authors_replay  # noqa: E402
from paper_drawn import attackers  # noqa: E402
from paper_replayed import numbers  # noqa: E402

PUBLISHED = tomllib.loads((ROOT / "docs/runs/published.toml").read_text(encoding="utf-8"))

# Peers, share, rounds, epochs, batch, optimiser, rate, momentum, weight decay.
SETTINGS = {
    ("noise", "adult"): (20, 0.5, 100, 1, 64, "adam", 1e-3, 0.9, 0.0),
    ("noise", "mnist of 100"): (100, 0.5, 200, 3, 64, "sgd", 1e-3, 0.9, 5e-4),
    ("flip", "mnist of 20"): (20, 0.5, 200, 1, 64, "sgd", 1e-3, 0.9, 5e-4),
    ("noise", "cifar10"): (20, 0.5, 100, 3, 32, "sgd", 1e-2, 0.9, 5e-4),
    ("flip", "imdb"): (20, 0.5, 100, 1, 32, "adam", 1e-3, 0.9, 0.0),
}
FIELDS = ("peers", "participation", "rounds", "local_epochs", "batch_size", "optimiser", "learning_rate", "momentum",
          "weight_decay")  # fmt: skip


@pytest.mark.parametrize(("kind", "label"), SETTINGS, ids=lambda value: str(value))
def test_a_task_is_set_as_in_the_paper(kind: str, label: str) -> None:
    (plan,) = load_suite(f"paper-{kind}").tracks
    task = next(task for task in plan.tasks if task.label == label)
    assert tuple(task.settings[field] for field in FIELDS) == SETTINGS[kind, label]
    assert task.settings["drop_last"] is True
    assert task.settings["reported_models"] == 10
    assert task.settings["partition"]["kind"] == "iid"


@pytest.mark.parametrize("kind", ["noise", "flip"])
def test_both_suites_have_every_method_on_every_benchmark_and_both_strategies(kind: str) -> None:
    (plan,) = load_suite(f"paper-{kind}").tracks
    assert [defense.label for defense in plan.defenses] == [
        "fedavg",
        "median",
        "trimmed-mean",
        "multi-krum, as published",
        "foolsgold",
        "ffl, as published",
    ]
    assert len(plan.tasks) == len(PUBLISHED[kind]) == 4
    assert plan.seeds == (0, 1, 2)
    for task in plan.tasks:
        strategies = {
            attack.coalition["strategy"]: attack for attack in plan.attacks_on(task) if attack.coalition["attackers"]
        }
        assert set(strategies) == {"S1", "S2"}
        assert all(attack.coalition["attackers"] == 0.2 for attack in strategies.values())
    ffl: dict[str, Any] = {key: value for part in plan.defenses[-1].parts for key, value in part.parameters.items()}
    assert (ffl["exchange"], ffl["max_draws"], ffl["warmup"], ffl["norm_share"]) == (0.3085, 20, 20, 0.2)


def test_published_figures_are_whole() -> None:
    for kind, count in (("noise", 2), ("flip", 3)):
        for benchmark, rows in PUBLISHED[kind].items():
            assert len(rows) == 8, benchmark
            assert all(len(row) == count for row in rows.values()), benchmark


def test_attackers_are_counted_as_a_run_draws_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "suite.toml").write_text("""
        name = "drawn"
        seeds = [3]
        defenses = ["fedavg"]
        [poisoning]
        attacks = [{ name = "label-flip", source = ">50K", target = "<=50K" }]
        [[poisoning.tasks]]
        dataset = "adult"
        model = "adult-mlp"
        peers = 20
        participation = 0.5
        rounds = 12
        batch_size = 500
    """)
    (spec,) = load_suite(str(tmp_path / "suite.toml")).cells()
    counted, aggregate = [], Mean.aggregate

    def counting(rule: Mean, upload: Upload, round: Round) -> Aggregate:
        counted.append(len(round.coalition.members))
        return aggregate(rule, upload, round)

    monkeypatch.setattr(Mean, "aggregate", counting)
    run_rounds(build_federation(spec), Clock(), lambda done, total: None, Keeper())
    assert attackers(spec) == counted
    assert len(set(counted)) > 2, "rounds differ in it"


# Who takes part in rounds 1, 2 and 10 under label flipping, by the logs of FFL in the authors' notebooks.
LOGGED = {
    "adult": ([11, 2, 7, 0, 3, 4, 16, 13, 19, 12], [16, 4, 12, 11, 8, 18, 1, 3, 5, 17], [5, 12, 2, 11, 14, 19, 16, 3, 6, 4]),
    "mnist": ([7, 6, 18, 17, 2, 1, 19, 16, 13, 3], [12, 19, 18, 7, 4, 6, 3, 16, 1, 15], [17, 15, 12, 1, 4, 14, 19, 9, 3, 7]),
    "imdb": ([11, 2, 7, 0, 3, 4, 16, 13, 19, 12], [16, 4, 12, 11, 8, 18, 1, 3, 5, 17], [0, 18, 5, 1, 3, 6, 15, 16, 11, 4]),
}


@pytest.mark.parametrize("task", LOGGED)
def test_the_authors_draws_come_out_as_they_were_logged(task: str) -> None:
    found = authors_replay.authors_rounds(task, 10, pairing=True)
    assert [list(found[index]) for index in (0, 1, 9)] == list(LOGGED[task])


def test_renumbered_peers_have_as_many_attackers() -> None:
    theirs, members = authors_replay.authors_rounds("imdb", 100), (0, 3, 12, 19)
    ours = [authors_replay.renumbered("imdb", peers, members) for peers in theirs]
    assert [sum(peer in members for peer in peers) for peers in ours] == numbers("imdb", 100)
    assert all(len(set(peers)) == 10 and set(peers) <= set(range(20)) for peers in ours)
