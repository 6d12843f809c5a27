"""Where a record comes from: versions, commit, machine."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

from fflbench import __version__
from fflbench.execution import Execution
from fflbench.federation.engine import computed_by
from fflbench.records import Provenance, Specification
from fflbench.runner.sources import engine_digest, plugin_digests

LIBRARIES = ("torch", "numpy", "scipy", "pytorch-msssim")


def provenance(
    spec: Specification, suite: str, data: str, execution: Execution, started: str, finished: str, resumed: int
) -> Provenance:
    commit, dirty = _checkout()
    return Provenance(
        suite=suite,
        version=__version__,
        commit=commit,
        dirty=dirty,
        plugins=plugin_digests(spec),
        engine=engine_digest(),
        data=data,
        libraries=_libraries(),
        python=platform.python_version(),
        machine=f"{platform.system()} {platform.machine()}",
        device=execution.device,
        threads=execution.threads,
        precision=execution.precision,
        computed_by=computed_by(execution),
        resumed=resumed,
        started=started,
        finished=finished,
    )


@cache
def _libraries() -> dict[str, str]:
    return {name: metadata.version(name) for name in LIBRARIES}


@cache
def _checkout() -> tuple[str, bool]:
    """The commit of the checkout that this package runs from, and whether it has changes; ("", False) outside of one."""
    folder = Path(__file__).resolve().parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip()

    try:
        if not git("ls-files", Path(__file__).name):
            return "", False
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return "", False
