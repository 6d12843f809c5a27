"""A stranger's cell is run here if this version means the same by it."""

from __future__ import annotations

from typing import Any

import pytest

from fflbench.errors import UserError
from fflbench.records import Specification
from fflbench.suite import load_suite
from fflbench.verification.respecify import respecify


def cell() -> Specification:
    return load_suite("quickstart").cells(("fashion-mnist/none/secure-aggregation",), (0,))[0]


def with_stage(spec: Specification, parameters: dict[str, Any]) -> Specification:
    stage, *others = spec.defense.parts
    parts = (stage.model_copy(update={"parameters": parameters}), *others)
    return spec.model_copy(update={"defense": spec.defense.model_copy(update={"parts": parts})})


def test_what_this_version_wrote_is_taken_as_it_is() -> None:
    assert respecify(cell()) == cell()


def test_a_parameter_that_came_later_takes_its_default() -> None:
    older = with_stage(cell(), {})
    assert older != cell()
    assert respecify(older) == cell()


def test_a_parameter_of_another_version_is_refused() -> None:
    with pytest.raises(UserError, match="strength"):
        respecify(with_stage(cell(), {"strength": 2}))


def test_another_coalition_than_a_suite_would_make_is_refused() -> None:
    spec = cell()
    odd = spec.model_copy(update={"attack": spec.attack.model_copy(update={"threat": "omniscient"})})
    with pytest.raises(UserError, match="makes another cell of it"):
        respecify(odd)
