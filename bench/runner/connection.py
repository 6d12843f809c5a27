"""Joins a Ray cluster, or says in one line why not."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
from typing import Any

from fflbench.errors import UserError

PATIENCE = 20.0
"""Seconds in which a cluster has to answer."""

ANSWERS = "auto (the cluster of this machine), local (this machine alone) or HOST:PORT"


def connect(address: str, cores: int) -> Any:
    """The `ray` module, connected. `cores` are those of a cluster of this machine alone."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise UserError('--ray: needs ray: pip install "fflbench[ray]"') from None
    if address not in ("auto", "local"):
        _check(address)
    more: dict[str, Any] = {"num_cpus": cores, "include_dashboard": False} if address == "local" else {}
    interrupt = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, namespace="fflbench", **more)
    except (Exception, SystemExit) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"--ray: no cluster at {address!r} that this machine is part of ({reason}); "
                        "`ray start --head` begins one, `ray start --address=HOST:PORT` joins one") from None  # fmt: skip
    finally:
        signal.signal(signal.SIGTERM, interrupt)  # Ray puts its own in place, which would end the run without a word.
    return ray


def _check(address: str) -> None:
    """Ray itself waits for minutes, and ends the process, when nobody answers."""
    if not re.fullmatch(r"[A-Za-z0-9._-]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}", address):
        raise UserError(f"--ray: found {address!r}, needs {ANSWERS}")
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        healthy = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        healthy = False
    if not healthy:
        raise UserError(f"--ray: no cluster answers at {address!r} within {PATIENCE:.0f} s; needs {ANSWERS}")
