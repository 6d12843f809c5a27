"""Every kind of data with its network, end to end in this process: it trains, it is attacked, it is scored."""

from __future__ import annotations

from pathlib import Path

import pytest

from fflbench.records import Record, RecordStore
from fflbench.runner.cell import make_cell, run_cell
from fflbench.suite import load_suite

SUITE = """
name = "tasks"
seeds = [0]
defenses = [{{ name = "{defense}", label = "d" }}]
[poisoning]
attacks = [{attack}]
[[poisoning.tasks]]
label = "t"
dataset = {dataset}
model = {model}
{settings}
"""

ADULT = 'peers = 20\nparticipation = 0.5\nrounds = 6\nreported_models = 1\nbatch_size = 64\noptimiser = "adam"\nlearning_rate = 0.001\nweight_decay = 0'
SNIPPETS = 'peers = 10\nparticipation = 0.5\nrounds = 8\nreported_models = 1\nbatch_size = 32\noptimiser = "adam"\nlearning_rate = 0.003\nweight_decay = 0'
PHOTOGRAPHS = "peers = 4\nparticipation = 0.5\nrounds = 1\nbatch_size = 32"


def run(tmp_path: Path, dataset: str, model: str, settings: str, defense: str = "fedavg", attack: str = '"none"') -> Record:
    path = tmp_path / "s.toml"
    path.write_text(SUITE.format(dataset=dataset, model=model, settings=settings, defense=defense, attack=attack))
    (spec,) = load_suite(str(path)).cells()
    record = run_cell(make_cell(spec, "s"), RecordStore(tmp_path))
    assert record.error == ""
    return record


def test_adult_learns_and_flipping_to_the_poor_is_measured_on_the_rich(tmp_path: Path) -> None:
    clean = run(tmp_path, '"adult"', '"adult-mlp"', ADULT)
    assert clean.metrics["accuracy"] > 80
    assert clean.metrics["source-accuracy"] is None
    flipped = run(
        tmp_path, '"adult"', '"adult-mlp"', ADULT, attack='{ name = "label-flip", target = "<=50K", attackers = 0.45 }'
    )
    assert flipped.metrics["source-accuracy"] + flipped.metrics["attack-success"] == pytest.approx(100)
    assert flipped.metrics["source-accuracy"] < clean.classes[">50K"] - 5


def test_text_learns_through_embeddings_and_an_lstm(tmp_path: Path) -> None:
    record = run(tmp_path, '"movie-snippets"', '{ name = "imdb-bilstm", embedding = 32, hidden = 32 }', SNIPPETS)
    assert record.metrics["accuracy"] > 60


def test_colour_images_through_vgg16_and_ffl(tmp_path: Path) -> None:
    record = run(tmp_path, '"photographs"', '"cifar10-vgg16"', PHOTOGRAPHS, defense="ffl")
    assert record.notes["parameters"] == 14_714_688 + 2 * 25_089
    assert record.metrics["accuracy"] is not None
    assert record.sent["exchange"] == pytest.approx(record.sent["upload"] / 2, rel=0.01)


def test_attackers_are_placed_among_the_peers_that_hold_the_source_class(tmp_path: Path) -> None:
    settings = 'peers = 40\nparticipation = 0.2\nrounds = 1\npartition = { kind = "classes", classes_per_peer = 2 }'
    attack = '{ name = "label-flip", source = "Sneaker", target = "Sandal", attackers = 0.49 }'
    record = run(tmp_path, '"fashion-mnist-small"', '{ name = "mlp", hidden = [16] }', settings, attack=attack)
    assert len(record.notes["attackers"]) == 3, "0.49 of the 8 peers that hold sneakers, not of 40"
