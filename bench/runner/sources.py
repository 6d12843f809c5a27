"""Digests of the code behind a result: a plug-in's file and every module of ours or its neighbours that it imports."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from fflbench import registry
from fflbench.records import Specification, digest_of

PACKAGE = "fflbench"


@cache
def source_digest(*files: Path) -> str:
    """SHA-256 over these files and all that they import, directly or not, from fflbench or from their own folder."""
    return digest_of(sorted(hashlib.sha256(data).hexdigest() for data in _closure(files, ours=True).values()))


def neighbours(*files: Path) -> dict[Path, bytes]:
    """These files and all that they import, directly or not, from their own folders, with the `__init__.py` of every package
    that they lie in: what it takes to load them elsewhere."""
    found = _closure(files, ours=False)
    for path in list(found):
        for folder in path.parents:
            if not (folder / "__init__.py").is_file():
                break
            found[folder / "__init__.py"] = (folder / "__init__.py").read_bytes()
    return found


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
    """The source digest of what runs every cell: the federation with its native loop, the observer, the metrics."""
    files = [Path(__file__).with_name("cell.py")]
    files += sorted(Path(__file__).parents[1].glob("native/*.[ch]pp"))
    files += [path for plugin in registry.plugins("metrics").values() if plugin.works() and (path := plugin.source())]
    return source_digest(*files)


def _closure(files: Iterable[Path], ours: bool) -> dict[Path, bytes]:
    """The content of these files and of all that they import from their own folders and, if `ours`, from fflbench."""
    found: dict[Path, bytes] = {}
    todo = list(files)
    while todo:
        path = todo.pop()
        if path not in found:
            found[path] = path.read_bytes()
            todo += _imported(found[path], path, ours)
    return found


@cache
def _imported(data: bytes, path: Path, ours: bool) -> tuple[Path, ...]:
    if path.suffix != ".py":
        return ()
    names: set[str] = set()
    for node in ast.walk(ast.parse(data)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            dot = "" if start.endswith(".") else "."
            names |= {start} | {f"{start}{dot}{alias.name}" for alias in node.names}
    wanted = sorted(name for name in names if ours or name.split(".")[0] != PACKAGE)
    return tuple(file for name in wanted if (file := _file(name, path)))


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
