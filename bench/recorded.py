"""Work on a GPU that is recorded once, as a CUDA graph, and then repeated by one call in place of hundreds: small networks
spend their time on calls."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch

WARM = 3
"""Runs before the recording, in which libraries choose their algorithms and buffers come to be."""


def new_stream(device: torch.device) -> torch.cuda.Stream:
    """For work on a GPU beside other work."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def recorded(work: Callable[[], object], stream: torch.cuda.Stream) -> Callable[[], None]:
    """A call that does `work` again, on the same memory and to the same bits, in whatever stream is current. Meanwhile the
    work is done WARM times in `stream`; other threads may go on with theirs."""
    current = torch.cuda.current_stream(stream.device)
    stream.wait_stream(current)
    with torch.cuda.stream(stream):
        for _ in range(WARM):
            work()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        work()
    current.wait_stream(stream)
    again: Callable[[], None] = graph.replay
    return again


def recordable(work: Callable[[], object]) -> bool:
    """Whether work, which is done once, asks the GPU for no number on its way: waiting for one cannot be recorded, and a
    recording that fails leaves torch in disorder."""
    before = torch.cuda.get_sync_debug_mode()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.cuda.set_sync_debug_mode("error")
        work()
    except RuntimeError:
        return False
    finally:
        torch.cuda.set_sync_debug_mode(before)
    return True
