"""The digest of a plug-in's source covers what it imports, from wherever in its own package."""

from __future__ import annotations

from pathlib import Path

import pytest

from fflbench.runner.sources import source_digest


@pytest.mark.parametrize("line", [
    "from good.helper import FACTOR", "from .helper import FACTOR", "from . import helper", "import good.helper",
    "from good.deep.more import X", "from .deep import more", "from good import deep",
])  # fmt: skip
def test_a_change_in_a_helper_changes_the_digest(tmp_path: Path, line: str) -> None:
    package = tmp_path / "good"
    (package / "deep").mkdir(parents=True)
    for name in ("__init__.py", "deep/__init__.py", "unrelated.py"):
        (package / name).write_text("")
    rules = package / "rules.py"
    rules.write_text(line + "\n")
    helpers = [package / "helper.py", package / "deep" / "more.py", package / "deep" / "__init__.py"]
    digests = []
    for value in (1, 2):
        for helper in helpers:
            helper.write_text(f"FACTOR = X = {value}\n")
        source_digest.cache_clear()
        digests.append(source_digest(rules))
    (package / "unrelated.py").write_text("changed = True\n")
    source_digest.cache_clear()
    assert digests[0] != digests[1]
    assert source_digest(rules) == digests[1]
