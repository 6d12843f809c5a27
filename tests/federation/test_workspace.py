"""What every part declares to need beside the rows, against what it is measured to need."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.federation.measured import targets
from tests.federation.test_big_federations import measured

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux to measure peaks")

NOISE = 0.05


@pytest.fixture(scope="module")
def needs() -> dict[str, float]:
    found: dict[str, float] = json.loads(measured("tests.federation.measured"))
    return found


@pytest.mark.parametrize("name", targets())
def test_no_part_needs_more_than_it_declares(needs: dict[str, float], name: str) -> None:
    assert needs[name] <= targets()[name].workspace + NOISE  # type: ignore[attr-defined]
