"""Somebody else's software that a plug-in runs on the user's machine and does not bring along."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from fflbench.errors import UserError


@dataclass(frozen=True)
class Tool:
    """A package by its import name, `get` being the line that says how to get it.

    It is looked for in the folder that the environment variable `folder` names, if that is set, and else among what is
    installed. `mark` tells it from others of that name: a file in the package and a text in that file. `requires` are
    modules that it imports and that a checkout does not bring. Plug-ins write it with plain literals, so that
    `fflbench list` can read it without importing them:

    >>> tool: ClassVar[Tool | None] = Tool("their_tool", "pip install their-tool", mark=("core.py", "class TheirAttack"))
    """

    module: str
    get: str
    mark: tuple[str, str]
    folder: str = ""
    requires: tuple[str, ...] = ()

    def missing(self) -> str | None:
        """Why it cannot be used here, in one line that ends with how to get it, or None. Imports nothing."""
        place = os.environ.get(self.folder) if self.folder else None
        where = f"{self.folder}: found {place!r}, which" if place else "this installation"
        package = self._package()
        if package is None:
            return f"{where} has no package {self.module}; {self.get}"
        file, text = self.mark
        if not (package / file).is_file() or text not in (package / file).read_text(encoding="utf-8", errors="replace"):
            return f"{where} has another project's {self.module} ({package}, no {text!r} in {file}); {self.get}"
        lacking = [name for name in self.requires if importlib.util.find_spec(name) is None]
        if lacking:
            return f"{self.module} in {package.parent} needs {' and '.join(lacking)}; pip install {' '.join(lacking)}"
        return None

    def load(self) -> ModuleType:
        """Import it. What comes from a folder is imported aside: `sys.path` and `sys.modules` stay as they were."""
        reason, package = self.missing(), self._package()
        if reason or package is None:
            raise UserError(reason or f"{self.module} is not there; {self.get}")
        try:
            module = _aside(self.module, package.parent) if self._named_folder() else importlib.import_module(self.module)
        except Exception as error:
            raise UserError(f"{self.module} in {package.parent} does not import: {type(error).__name__}: {error}") from error
        return module

    def _named_folder(self) -> Path | None:
        place = os.environ.get(self.folder) if self.folder else None
        return Path(place).expanduser() if place else None

    def _package(self) -> Path | None:
        """The folder of the package."""
        named = self._named_folder()
        if named:
            return named / self.module if (named / self.module / "__init__.py").is_file() else None
        spec = importlib.util.find_spec(self.module)
        return Path(spec.origin).parent if spec and spec.origin else None


_loaded: dict[tuple[str, Path], ModuleType] = {}


def _aside(name: str, folder: Path) -> ModuleType:
    """The package `name` from `folder`, whatever else of that name is or will be imported."""
    key = (name, folder.resolve())
    if key not in _loaded:
        others = _take_out(name)
        sys.path.insert(0, str(key[1]))
        try:
            _loaded[key] = importlib.import_module(name)
        finally:
            sys.path.remove(str(key[1]))
            _take_out(name)
            sys.modules.update(others)
    return _loaded[key]


def _take_out(name: str) -> dict[str, ModuleType]:
    names = [known for known in sys.modules if known.partition(".")[0] == name]
    return {known: sys.modules.pop(known) for known in names}
