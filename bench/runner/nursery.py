"""Where worker processes come from."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext, SpawnContext


def thread_variables(threads: int) -> dict[str, str]:
    """The environment of a process whose native libraries, which read it when they are loaded, take that many threads."""
    return dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))


def nursery() -> ForkServerContext | SpawnContext:
    """Processes forked from a server process that has imported torch once and computes nothing, so that it has no threads,
    no device and no numbers drawn; where there is no fork, they start from nothing."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fflbench.runner.worker"])
    return context


def start_early(threads: int) -> None:
    """Has the server import torch while its driver still does so too, and reads the suite: with a core for each, the first
    cell begins sooner by what that takes."""
    if isinstance(nursery(), SpawnContext) or (os.cpu_count() or 1) < 2:
        return
    before = dict(os.environ)
    resource_tracker.ensure_running()  # Else the server would start it, and that unblocks.
    # A Ctrl-C meant for the driver would end the server's imports with a traceback.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        os.environ.update(thread_variables(threads))
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.environ.clear()
        os.environ.update(before)
