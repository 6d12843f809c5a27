"""The sdist builds the wheel, and the wheel works away from the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel, built from the sdist, was installed."""
    folder = tmp_path_factory.mktemp("dist")
    source = folder / "source"
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in names.stdout.splitlines():
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "out"), str(source)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((folder / "out").glob("*.tar.gz"))
    (wheel,) = (folder / "out").glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def run(installed: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, *words], cwd=installed.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_only_our_package_lands_in_site_packages(installed: Path) -> None:
    tops = {path.name for path in installed.iterdir()}
    assert {name for name in tops if not name.endswith(".dist-info")} == {"fflbench"}
    assert (installed / "fflbench" / "py.typed").is_file()
    assert not list(installed.rglob("test_*.py"))
    notices = [path for path in installed.rglob("*") if path.name in ("LICENSE", "NOTICE.md")]
    assert {path.name for path in notices} == {"LICENSE", "NOTICE.md"}


def test_the_wheel_runs_on_its_own(installed: Path) -> None:
    where = run(installed, "-c", "import fflbench; print(fflbench.__file__)")
    assert str(installed) in where
    assert "ready" in run(installed, "-m", "fflbench", "doctor")
    assert "quickstart" in run(installed, "-m", "fflbench", "list", "suites")


def test_a_cell_and_its_page_from_the_wheel(installed: Path) -> None:
    only = ["--only", "one image/*/fedavg", "--seeds", "0", "--jobs", "1", "--results", "r"]
    assert "1 ok" in run(installed, "-m", "fflbench", "run", "quickstart", *only)
    run(installed, "-m", "fflbench", "leaderboard", "r")
    assert 'data-part="wall-0"' in (installed.parent / "r" / "leaderboard.html").read_text(), "pictures to unfold"
