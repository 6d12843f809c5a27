"""How a benchmark says what it measures: rows of one group do the same work in different ways."""

from __future__ import annotations

from typing import Any


def compared(benchmark: Any, work: str, way: str) -> None:
    """`way` is `native` or `torch` for our code with and without its native part, or names another way to do the work."""
    benchmark.group = work
    benchmark.extra_info["way"] = way


def scaled(benchmark: Any, axis: str, at: int, curve: str) -> None:
    """A point of a curve: how long some work takes with so much of something (`axis`)."""
    benchmark.group = f"{curve} by {axis}"
    benchmark.extra_info.update(axis=axis, at=at, curve=curve)


def ruled(benchmark: Any, rule: str, uploads: int, parameters: int, way: str) -> None:
    """A server's rule on so many uploads of so many parameters; `way` is `native`, `torch` or `usual`."""
    benchmark.group = f"{rule}, {uploads:,} uploads of {parameters:,}"
    benchmark.extra_info.update(rule=rule, uploads=uploads, parameters=parameters, way=way)
