"""Digests of the code behind a result: a plug-in's file and every module of ours or its neighbours that it imports."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from functools import cache
from pathlib import Path

from fflbench import registry
from fflbench.records import Specification, digest_of

PACKAGE = "fflbench"


@cache
def source_digest(*files: Path) -> str:
    """SHA-256 over these files and all that they import, directly or not, from fflbench or from their own folder."""
    found: dict[Path, str] = {}
    todo = list(files)
    while todo:
        path = todo.pop()
        if path in found:
            continue
        data = path.read_bytes()
        found[path] = hashlib.sha256(data).hexdigest()
        todo += _imported(data, path)
    return digest_of(sorted(found.values()))


def plugin_digests(spec: Specification) -> dict[str, str]:
    """The source digest of every plug-in that a cell uses, by `kind/name`."""
    used = [("attacks", spec.attack.name), ("datasets", spec.task.dataset["name"]), ("models", spec.task.model["name"])]
    used += [("defenses", part.name) for part in spec.defense.parts]
    digests = {}
    for kind, name in used:
        path = registry.find(kind, name).source()
        digests[f"{kind}/{name}"] = source_digest(path) if path else ""
    return digests


@cache
def engine_digest() -> str:
    """The source digest of what runs every cell: the federation, the observer, the metrics."""
    files = [Path(__file__).with_name("cell.py")]
    files += [path for plugin in registry.plugins("metrics").values() if plugin.works() and (path := plugin.source())]
    return source_digest(*files)


def _imported(data: bytes, path: Path) -> list[Path]:
    if path.suffix != ".py":
        return []
    names: set[str] = set()
    for node in ast.walk(ast.parse(data)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            dot = "" if start.endswith(".") else "."
            names |= {start} | {f"{start}{dot}{alias.name}" for alias in node.names}
    return [file for name in sorted(names) if (file := _file(name, path))]


def _file(module: str, importer: Path) -> Path | None:
    """The file of a module if it is ours, or of the plug-in's own package, or lies beside the plug-in."""
    if module.split(".")[0] == PACKAGE:
        try:
            spec = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            return None
        return Path(spec.origin) if spec and spec.origin else None
    root, name = importer.parent, module.lstrip(".")
    if module.startswith("."):
        for _ in range(len(module) - len(name) - 1):
            root = root.parent
    else:
        while (root / "__init__.py").is_file():
            root = root.parent
    base = root.joinpath(*name.split(".")) if name else root
    found = (base.with_suffix(".py") if name else None, base / "__init__.py")
    return next((file for file in found if file and file.is_file()), None)
