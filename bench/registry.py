"""Finds plug-ins by kind and name: built-ins and installed packages through entry points, single files by `--plugin`.

Nothing is imported before it is asked for, and a plug-in that fails to import is listed as broken while the others work.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, entry_points
from pathlib import Path
from typing import Any, TypeVar

from fflbench import plugin_source
from fflbench.errors import UserError
from fflbench.tool import Tool

KINDS = ("attacks", "defenses", "models", "datasets", "metrics")
OWN = "fflbench"

T = TypeVar("T")


@dataclass(frozen=True)
class Plugin:
    """One registered name. `target` is `module:attribute`, or the object itself for a plug-in file."""

    kind: str
    name: str
    target: Any
    origin: str

    @property
    def built_in(self) -> bool:
        return self.origin == OWN

    def load(self) -> Any:
        """The class, function or `Pipeline`. Raises `UserError` with the reason when it is broken."""
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        try:
            found = getattr(importlib.import_module(module), attribute)
        except Exception as error:
            raise UserError(f"{self.kind} plug-in {self.name!r} from {self.origin} is broken: "
                            f"{type(error).__name__}: {error}") from error  # fmt: skip
        _check_kind(self.kind, self.name, found)
        return found

    def works(self) -> bool:
        """Whether it can be loaded."""
        try:
            self.load()
        except UserError:
            return False
        return True

    def summary(self) -> str:
        """The first sentence of its documentation; built-ins are read without importing them."""
        if isinstance(self.target, str) and self.built_in:
            return first_sentence(plugin_source.documentation(self.target))
        target = self.load()
        return first_sentence(getattr(target, "summary", None) or target.__doc__ or "")

    def missing(self) -> str | None:
        """Why it cannot run here although nothing is wrong with it: its tool is not there. Reads built-ins as `summary`."""
        if isinstance(self.target, str) and self.built_in:
            tool = plugin_source.tool(self.target)
        else:
            tool = getattr(self.load(), "tool", None)
        return tool.missing() if isinstance(tool, Tool) else None

    def constants(self, names: Sequence[str]) -> dict[str, Any]:
        """Those class attributes that it has, by name; built-ins are read as `summary`."""
        if isinstance(self.target, str) and self.built_in:
            return {name: value for name, value in plugin_source.constants(self.target).items() if name in names}
        target = self.load()
        return {name: getattr(target, name) for name in names if hasattr(target, name)}

    def defaults(self) -> dict[str, Any]:
        """The parameters that have a default, as far as it is a plain value; built-ins are read as `summary`."""
        if isinstance(self.target, str) and self.built_in:
            return plugin_source.defaults(self.target)
        signature = inspect.signature(self.load())
        return {name: found.default for name, found in signature.parameters.items() if found.default is not found.empty}

    def source(self) -> Path | None:
        """The file that defines it."""
        if isinstance(self.target, str):
            spec = importlib.util.find_spec(self.target.partition(":")[0])
            return Path(spec.origin) if spec and spec.origin else None
        module = sys.modules.get(getattr(self.target, "__module__", ""))
        return Path(module.__file__) if module and module.__file__ else None


_from_files: dict[tuple[str, str], Plugin] = {}


@cache
def _package(distribution: Distribution | None) -> str:
    """A package's name, for which its metadata are parsed."""
    return distribution.name if distribution else "an unknown package"


@cache
def _installed() -> dict[tuple[str, str], Plugin]:
    found: dict[tuple[str, str], Plugin] = {}
    everything = entry_points()
    for kind in KINDS:
        points = [(_package(point.dist), point) for point in everything.select(group=f"fflbench.{kind}")]
        for origin, point in sorted(points, key=lambda pair: pair[0] != OWN):
            key = (kind, point.name)
            if key in found and found[key].origin != origin:
                key = (kind, f"{point.name}@{origin}")
            found[key] = Plugin(kind, key[1], point.value, origin)
    return found


def plugins(kind: str) -> dict[str, Plugin]:
    """All plug-ins of a kind by name, sorted. A package that reuses a taken name is listed as `name@package`."""
    both = {**_installed(), **_from_files}
    return {name: plugin for (k, name), plugin in sorted(both.items(), key=lambda item: item[0]) if k == kind}


def known(kind: str, name: str) -> Plugin | None:
    """The plug-in of that name, if there is one."""
    return _from_files.get((kind, name)) or _installed().get((kind, name))


def find(kind: str, name: str, where: str | None = None) -> Plugin:
    """The plug-in of that name. Raises `UserError` that suggests the nearest names."""
    found = known(kind, name)
    if found is None:
        raise unknown(name, plugins(kind), where or kind, f"`fflbench list {kind}` shows all")
    return found


def unknown(name: str, known: Iterable[str], where: str, otherwise: str) -> UserError:
    """The error for a name that is not among the known ones: suggests the nearest."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else otherwise
    return UserError(f"{where}: found {name!r}, which is not registered; {hint}")


def load(kind: str, name: str, where: str | None = None) -> Any:
    """Shorthand for `find(kind, name).load()`."""
    return find(kind, name, where).load()


def register(name: str) -> Callable[[T], T]:
    """Register a plug-in class, model function or `Pipeline` under a name; its kind follows from its base class."""

    def decorate(target: T) -> T:
        kind = _kind_of(target)
        if (kind, name) in _installed() or (kind, name) in _from_files:
            taken = plugins(kind)[name]
            raise UserError(f"{kind} plug-in {name!r}: the name is taken by {taken.origin}, choose another")
        origin = getattr(sys.modules.get(getattr(target, "__module__", "")), "__file__", None) or "this session"
        _from_files[kind, name] = Plugin(kind, name, target, str(origin))
        return target

    return decorate


def load_file(path: Path) -> list[Plugin]:
    """Import one file of plug-ins and return what it registered."""
    path = path.resolve()
    if not path.is_file():
        raise UserError(f"--plugin: found {str(path)!r}, needs a Python file")
    module_name = f"fflbench_plugin_{path.stem}"
    known = [p for p in _from_files.values() if p.origin == str(path)]
    if known:
        return known
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"--plugin: found {str(path)!r}, needs a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        spec.loader.exec_module(module)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"--plugin {path.name}: failed to import: {type(error).__name__}: {error}") from error
    found = [p for p in _from_files.values() if p.origin == str(path)]
    if not found:
        raise UserError(f'--plugin {path.name}: registers nothing, needs at least one @register("name")')
    return found


def first_sentence(text: str) -> str:
    """The first sentence of a documentation text, on one line."""
    paragraph = " ".join(inspect.cleandoc(text).split("\n\n")[0].split())
    return re.split(r"(?<=\.)\s(?=[A-Z])", paragraph)[0].rstrip(".")


def _bases() -> dict[str, tuple[type, ...]]:
    from torch import nn

    from fflbench import contracts as c

    return {
        "attacks": (c.PoisoningAttack, c.ReconstructionAttack),
        "defenses": (c.DefensePart,),
        "datasets": (c.Dataset,),
        "metrics": (c.Metric,),
        "models": (nn.Module,),
    }


def _kind_of(target: object) -> str:
    from fflbench.contracts import Pipeline

    if isinstance(target, Pipeline):
        return "defenses"
    if isinstance(target, type):
        for kind, bases in _bases().items():
            if issubclass(target, bases):
                return kind
    elif callable(target):
        return "models"
    raise UserError(f"@register: found {target!r}, needs a subclass of an attack, stage, pre-aggregator, aggregator, "
                    "data set, metric or nn.Module")  # fmt: skip


def _check_kind(kind: str, name: str, found: object) -> None:
    actual = _kind_of(found)
    if actual != kind:
        raise UserError(f"{kind} plug-in {name!r}: found one of the kind {actual}")
    lacking = [field for field in ("label", "better", "track") if kind == "metrics" and not hasattr(found, field)]
    if lacking:
        raise UserError(f"metrics plug-in {name!r}: does not say its {' and '.join(lacking)}")
