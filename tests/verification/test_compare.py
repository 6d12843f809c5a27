"""When a cell that was run again says the same, about the same, or something else: values by hand."""

from __future__ import annotations

from typing import Any

import pytest

from fflbench.verification.compare import compare
from tests.verification.test_sample import record

BASE = record("t", "a", "w", 0).model_copy(update={
    "metrics": {"accuracy": 80.0, "detection-auc": 0.9, "test-loss": 1.0, "attack-success": None},
    "curves": {"accuracy": [50.0, 70.0, None]},
    "classes": {"shirt": 60.0},
    "references": {"grey": {"psnr": 12.0}},
    "sent": {"upload": 1_000_000},
    "notes": {"uploads": 40, "rounds": 4},
})  # fmt: skip


def changed(field: str, **values: Any) -> Any:
    return BASE.model_copy(update={field: {**getattr(BASE, field), **values}})


def test_nothing_else_is_the_same() -> None:
    assert compare(BASE, BASE, 1.0) == ("same", "")
    assert compare(BASE, BASE, 0.0) == ("same", "")
    assert compare(BASE, BASE.model_copy(update={"seconds": {"training": 99.0}, "digest": "0" * 64}), 0.0)[0] == "same"


@pytest.mark.parametrize(("found", "scale", "outcome"), [
    (changed("metrics", accuracy=81.9), 1.0, "close"),  # 2 percentage points
    (changed("metrics", accuracy=82.1), 1.0, "differs"),
    (changed("metrics", accuracy=82.1), 2.0, "close"),
    (changed("metrics", accuracy=80.0000001), 0.0, "differs"),
    (changed("metrics", **{"detection-auc": 0.86}), 1.0, "close"),  # 0.05 of a score from 0 to 1
    (changed("metrics", **{"detection-auc": 0.84}), 1.0, "differs"),
    (changed("metrics", **{"test-loss": 1.04}), 1.0, "close"),  # 5% of the larger number
    (changed("metrics", **{"test-loss": 1.06}), 1.0, "differs"),
    (changed("metrics", **{"test-loss": 2e15}), 1.0, "differs"),
    (changed("metrics", **{"attack-success": 1.0}), 1.0, "differs"),
    (changed("metrics", accuracy=None), 1.0, "differs"),
    (changed("references", grey={"psnr": 12.9}), 1.0, "close"),  # 1 dB
    (changed("references", grey={"psnr": 13.1}), 1.0, "differs"),
    (changed("curves", accuracy=[53.0, 74.0, None]), 1.0, "close"),  # 3.5 apart on average, twice 2 allowed
    (changed("curves", accuracy=[55.0, 74.0, None]), 1.0, "differs"),
    (changed("curves", accuracy=[50.0, 70.0]), 1.0, "differs"),
    (changed("curves", accuracy=[50.0, None, None]), 1.0, "differs"),
    (changed("classes", shirt=65.0), 1.0, "close"),  # 6 percentage points
    (changed("classes", shirt=67.0), 1.0, "differs"),
    (changed("sent", upload=1_040_000), 1.0, "close"),
    (changed("sent", upload=1_100_000), 1.0, "differs"),
    (changed("notes", uploads=41), 1.0, "differs"),
    (changed("notes", attackers=[1]), 1.0, "close"),
    (BASE.model_copy(update={"status": "incompatible", "error": "needs a sum"}), 100.0, "differs"),
])  # fmt: skip
def test_the_tolerance_by_unit(found: Any, scale: float, outcome: str) -> None:
    assert compare(BASE, found, scale)[0] == outcome
    assert compare(found, BASE, scale)[0] == outcome


def test_losses_beyond_what_is_shown_count_as_the_same() -> None:
    endless = changed("metrics", **{"test-loss": 3e22})
    assert compare(endless, changed("metrics", **{"test-loss": 1e31}), 1.0)[0] == "close"
    assert compare(endless, changed("metrics", **{"test-loss": 1e31}), 0.0)[0] == "differs"


@pytest.mark.parametrize(("one", "other", "outcome"), [
    (67.9, 69.2, "close"), (60.0, 200.0, "close"), (59.5, 90.0, "close"), (58.9, 90.0, "differs"), (30.0, 31.5, "differs"),
])  # fmt: skip
def test_pictures_that_are_perfect_to_every_eye_count_as_the_same(one: float, other: float, outcome: str) -> None:
    pair = [changed("metrics", psnr=value) for value in (one, other)]
    assert compare(*pair, 1.0)[0] == compare(*pair[::-1], 1.0)[0] == outcome


def test_the_note_names_the_first_number_that_differs() -> None:
    note = compare(BASE, changed("metrics", accuracy=90.0), 1.0)[1]
    assert note == "metric accuracy: stated 80, found 90, may be 2 apart"
