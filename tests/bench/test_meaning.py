"""Two versions mean the same by a specification although one of them knows more parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fflbench import registry
from fflbench.meaning import meaning
from fflbench.parameters import schema
from fflbench.records import AttackSpec, DefenseSpec, Part, Specification
from fflbench.suite import load_suite


def ffl(**mixing: Any) -> DefenseSpec:
    parts = (Part(kind="stage", name="fragment-mixing", parameters=mixing),
             Part(kind="aggregator", name="reputation", parameters={"warmup": 8, "norm_share": 0.2}))  # fmt: skip
    return DefenseSpec(label="ffl", parts=parts)


def test_a_parameter_that_came_later_changes_nothing_at_its_default() -> None:
    old, new = {"exchange": 0.3, "max_draws": None}, {"exchange": 0.3, "max_draws": None, "encrypted": False}
    assert meaning(ffl(**old)) == meaning(ffl(**new))
    assert meaning(ffl(**old)) != meaning(ffl(**{**new, "encrypted": True}))
    assert meaning(ffl(**old)) != meaning(ffl(**{**old, "exchange": 0.4}))


def test_one_is_not_true_and_an_unknown_plug_in_is_taken_as_it_is() -> None:
    assert meaning(ffl(encrypted=0)) != meaning(ffl(encrypted=False))
    strangers = [AttackSpec(label="a", name="of-somebody", parameters=values) for values in ({}, {"x": 1})]
    assert meaning(strangers[0]) != meaning(strangers[1])


def test_inherited_parameters_count_as_the_plug_ins_own() -> None:
    shown = [
        AttackSpec(label="p", name="pair-sum", parameters=values) for values in ({"steps": 9}, {"steps": 9, "boxed": True})
    ]
    assert meaning(shown[0]) == meaning(shown[1])


def test_whole_specifications_follow_their_parts(tmp_path: Path) -> None:
    spec = load_suite("quickstart").cells(("fashion-mnist/none/ffl",), (0,))[0]
    stage = spec.defense.parts[0]
    older = stage.model_copy(update={"parameters": {k: v for k, v in stage.parameters.items() if k != "cipher"}})
    before = spec.model_copy(update={"defense": spec.defense.model_copy(update={"parts": (older, spec.defense.parts[1])})})
    assert isinstance(before, Specification)
    assert before.digest() != spec.digest()
    assert meaning(before) == meaning(spec)
    assert meaning(spec.model_copy(update={"seed": 1})) != meaning(spec)


@pytest.mark.parametrize("kind", ["attacks", "defenses", "models", "datasets"])
def test_what_is_read_from_the_source_is_what_the_class_says(kind: str) -> None:
    for name, plugin in registry.plugins(kind).items():
        if not plugin.built_in or not isinstance(plugin.load(), type):
            continue
        fields = schema(plugin.load()).model_fields
        for parameter, value in plugin.defaults().items():
            if parameter in fields:
                assert fields[parameter].default == value, f"{name}.{parameter}"
