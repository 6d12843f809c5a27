"""Suite files: what a good one means, and one clear line for every bad one."""

from __future__ import annotations

from pathlib import Path

import pytest

from fflbench.errors import UserError
from fflbench.suite import Suite, built_in_suites, load_suite

GOOD = """
name = "mine"
seeds = [0, 1]
defenses = ["fedavg", { name = "ffl", warmup = 3, exchange = 0.3 }, { label = "mixed krum", pipeline = ["fragment-mixing", { name = "krum", f = 1 }] }]

[poisoning]
attacks = ["none", { name = "gaussian-noise", label = "loud", sigma = 2, attackers = 0.3, strategy = "S2" }]

[[poisoning.tasks]]
label = "clothes"
dataset = "fashion-mnist-small"
model = "strided-cnn"
peers = 20
rounds = 2
partition = { kind = "dirichlet", alpha = 0.5 }

[reconstruction]
defenses = ["fedavg"]
attacks = ["inverting-gradients"]

[[reconstruction.tasks]]
dataset = "fashion-mnist-small"
model = "lenet"
"""


def suite_of(tmp_path: Path, text: str) -> Suite:
    path = tmp_path / "suite.toml"
    path.write_text(text)
    return load_suite(str(path))


def test_a_good_suite_is_resolved_whole(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, GOOD)
    poisoning, reconstruction = suite.tracks
    assert len(suite.cells()) == 2 * (1 * 2 * 3 + 1)
    ffl = poisoning.defenses[1]
    assert [(p.kind, p.name) for p in ffl.parts] == [("stage", "fragment-mixing"), ("aggregator", "reputation")]
    assert ffl.parts[0].parameters == {"exchange": 0.3, "max_draws": None, "encrypted": False, "cipher": "aes-256-gcm"}
    assert ffl.parts[1].parameters == {"warmup": 3, "norm_share": 0.2}
    assert poisoning.defenses[2].parts[1].parameters["f"] == 1
    none, loud = poisoning.attacks
    assert none.coalition["attackers"] == 0
    assert loud.parameters == {"sigma": 2.0, "mode": "add"}
    assert loud.coalition == {"attackers": 0.3, "start": 0, "end": None, "strategy": "S2", "rotating": False}
    assert poisoning.tasks[0].settings["partition"]["alpha"] == 0.5
    assert poisoning.tasks[0].settings["momentum"] == 0.9, "defaults are written out"
    assert reconstruction.tasks[0].label == "fashion-mnist-small-lenet"
    assert [d.label for d in reconstruction.defenses] == ["fedavg"]


def test_only_and_seeds_choose_cells(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, GOOD)
    assert len(suite.cells(only=("clothes/loud/ffl",))) == 2
    assert len(suite.cells(only=("clothes/loud",), seeds=(7,))) == 3
    assert {c.seed for c in suite.cells(only=("*/none/*",), seeds=(7,))} == {7}
    assert len(suite.cells(only=("//fedavg",))) == 2 * 3
    with pytest.raises(
        UserError, match=r"--only: found 'clothes/lout/ffl', which matches no cell; for example clothes/loud/ffl"
    ):
        suite.cells(only=("clothes/lout/ffl",))


@pytest.mark.parametrize("pattern", ["", "//", "a/b/c/d"])
def test_only_needs_at_most_three_parts(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(UserError, match="needs TASK/ATTACK/DEFENSE"):
        suite_of(tmp_path, GOOD).cells(only=(pattern,))


def test_a_label_is_itself_before_it_is_a_pattern(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, GOOD.replace('label = "clothes"', 'label = "clothes [x]"'))
    assert len(suite.cells(only=("clothes [x]/none/ffl",))) == 2


def test_the_specification_decides_the_digest(tmp_path: Path) -> None:
    first = suite_of(tmp_path, GOOD).cells()
    again = suite_of(tmp_path, GOOD.replace('name = "mine"', 'name = "other"')).cells()
    louder = suite_of(tmp_path, GOOD.replace("sigma = 2", "sigma = 3")).cells()
    assert [c.digest() for c in first] == [c.digest() for c in again]
    assert len({c.digest() for c in first}) == len(first)
    assert {c.attack.label for c, d in zip(first, louder, strict=True) if c.digest() != d.digest()} == {"loud"}


@pytest.mark.parametrize(("old", "new", "message"), [
    ("seeds = [0, 1]", "seeds = []", "seeds: found [], needs"),
    ("seeds = [0, 1]", "seeds = [0, -1]", "seeds.1: found -1, needs greater than or equal to 0"),
    ("seeds = [0, 1]", "seeds = 0", "seeds: found 0, needs a valid list"),
    ('name = "mine"', 'nome = "mine"', "nome: is not a parameter here; did you mean name?"),
    ('"fedavg", {', '"fedavgg", {', "defenses.0: found 'fedavgg', which is not registered; did you mean fedavg or"),
    ("warmup = 3", "warm_up = 3", "defenses.1.warm_up: is not a parameter here; known: cipher, encrypted, exchange, max_draws, norm_share, warmup"),
    ("warmup = 3", "warmup = -3", "(reputation).warmup: found -3, needs greater than or equal to 0"),
    ("warmup = 3", 'warmup = "three"', "(reputation).warmup: found 'three', needs a valid integer"),
    ("exchange = 0.3", "exchange = 1.0", "(fragment-mixing).exchange: found 1.0, needs less than 1"),
    ('["fragment-mixing", {', '["median", {', "needs stages, then pre-aggregators, then exactly one aggregator"),
    ("attackers = 0.3", "attackers = 0.7", "attackers: found 0.7, needs less than 0.5"),
    ('strategy = "S2"', 'strategy = "S3"', "strategy: found 'S3', needs 'S1' or 'S2'"),
    ("sigma = 2", "sigma = 0", "sigma: found 0, needs greater than 0"),
    ("sigma = 2", "sigma = nan", "sigma: found nan, needs"),
    ('"none", {', '"inverting-gradients", {', "which is a reconstruction attack; it belongs under [reconstruction]"),
    ("peers = 20", "peers = 1", "tasks.0.peers: found 1, needs greater than or equal to 2"),
    ("peers = 20", "", "tasks.0.peers: is missing"),
    ("rounds = 2", "rounds = 2.5", "tasks.0.rounds: found 2.5, needs a valid integer"),
    ("rounds = 2", "round = 2", "tasks.0.round: is not a parameter here; did you mean rounds?"),
    ('kind = "dirichlet"', 'kind = "dirichelt"', "partition.kind: found 'dirichelt', needs 'iid', 'dirichlet'"),
    ('model = "strided-cnn"', 'model = "resnet"', "model: found 'resnet', which is not registered; did you mean resnet18"),
    ('model = "strided-cnn"', "", "model: found None, needs a name"),
    ('dataset = "fashion-mnist-small"\nmodel = "lenet"', 'dataset = "mnits"\nmodel = "lenet"', "did you mean mnist or"),
    ('model = "lenet"', 'model = "lenet"\nvictims = 3', "victims: found 3, needs at most the 2 peers"),
    ('model = "lenet"', 'model = "lenet"\nimages = [1, 2, 3]', "images: found 3, needs peers x batch = 2"),
    ('defenses = ["fedavg"]\nattacks', 'defenses = ["median"]\nattacks', "reconstruction.defenses: found 'median', needs one of"),
    ('label = "clothes"', 'label = "a/b"', "found the label 'a/b', needs 1 to 60 printable characters without /"),
    ('label = "loud"', 'label = "none"', "'none' is there 2 times; give each its own `label`"),
    ("[poisoning]", "[poisoning", "is not valid TOML"),
    ("seeds = [0, 1]", "seeds = [0, 0]", "seeds: 0 is there 2 times"),
    ('defenses = ["fedavg"]\nattacks', 'defenses = ["fedavg", "fedavg"]\nattacks', "'fedavg' is there 2 times"),
    ('defenses = ["fedavg"]\nattacks', 'defenses = []\nattacks', "needs at least one task, one attack, one defense and one seed"),
    ('name = "mine"', 'name = ".."', "name: found '..', needs"),
    ("rounds = 2", "rounds = 2020-01-01", "tasks.0: rounds: found datetime.date(2020, 1, 1), needs text, a number"),
    ("alpha = 0.5", 'alpha = "0.5"', "partition.alpha: found '0.5', needs a valid number"),
])  # fmt: skip
def test_a_bad_suite_is_one_clear_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(UserError) as caught:
        suite_of(tmp_path, GOOD.replace(old, new, 1))
    assert message in str(caught.value)
    assert "suite.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_suite_suggests_the_built_in_one() -> None:
    with pytest.raises(UserError, match="neither a file nor a built-in suite; did you mean quickstart"):
        load_suite("quickstrat")


@pytest.mark.parametrize("name", built_in_suites())
def test_built_in_suites_are_good(name: str) -> None:
    suite = load_suite(name)
    assert suite.name == name
    assert suite.description
    assert suite.cells()


def test_a_task_may_name_the_attacks_that_it_is_for(tmp_path: Path) -> None:
    second = GOOD.replace(
        "[reconstruction]\n",
        """
[[poisoning.tasks]]
label = "others"
attacks = ["loud"]
dataset = "fashion-mnist-small"
model = "strided-cnn"
peers = 20
rounds = 2

[reconstruction]
""",
        1,
    )
    cells = suite_of(tmp_path, second).cells()
    assert {c.attack.label for c in cells if c.task.label == "clothes"} == {"none", "loud"}
    assert {c.attack.label for c in cells if c.task.label == "others"} == {"loud"}
    for wrong, words in (('["silent"]', "found 'silent', needs one of none, loud"), ("[]", "needs a list of labels"),
                         ('"loud"', "needs a list of labels")):  # fmt: skip
        with pytest.raises(UserError, match=words):
            suite_of(tmp_path, second.replace('attacks = ["loud"]\n', f"attacks = {wrong}\n"))
