"""What a plug-in says of itself, read from its source without importing it. A target is `module:attribute`."""

from __future__ import annotations

import ast
import importlib.util
import inspect
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from fflbench.tool import Tool


@cache
def _text(module: str) -> str:
    spec = importlib.util.find_spec(module)
    return Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""


@cache
def _module_body(module: str) -> list[ast.stmt]:
    return ast.parse(_text(module)).body


@cache
def _module_documentation(module: str) -> dict[str, str]:
    found = {}
    for node in _module_body(module):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            found[node.name] = ast.get_docstring(node) or ""
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and len(node.value.args) > 1:
            summary = node.value.args[1]
            if isinstance(summary, ast.Constant) and isinstance(node.targets[0], ast.Name):
                found[node.targets[0].id] = str(summary.value)
    return found


def documentation(target: str) -> str:
    """What a class, a function or a `Pipeline` says of itself. Of a class in its usual form found without parsing, which
    would take most of the time of a list of all plug-ins."""
    module, _, attribute = target.partition(":")
    usual = _usual_documentation(_text(module), attribute)
    return inspect.cleandoc(usual) if usual else _module_documentation(module).get(attribute, "")


def _usual_documentation(text: str, name: str) -> str | None:
    """The docstring of a class that begins on one line, with plain quotation marks in the next."""
    begin = max(text.find(f"\nclass {name}("), text.find(f"\nclass {name}:"))
    head, quotes = text.find(":\n", begin), '    """'
    if begin < 0 or "\n" in text[begin + 1 : head] or not text.startswith(quotes, head + 2):
        return None
    found = text[head + 2 + len(quotes) : text.find('"""', head + 2 + len(quotes))]
    return None if '"' in found or "\\" in found else found


def _class(target: str) -> ast.ClassDef | None:
    """A class; None where the attribute is none."""
    module, _, attribute = target.partition(":")
    return next((n for n in _module_body(module) if isinstance(n, ast.ClassDef) and n.name == attribute), None)


def _class_body(target: str) -> list[ast.stmt]:
    owner = _class(target)
    return owner.body if owner else []


def constants(target: str) -> dict[str, Any]:
    """What a class's body assigns: plain values, and names of plain values of its module."""
    known: dict[str, Any] = {}
    for node in (*_module_body(target.partition(":")[0]), *_class_body(target)):
        if not isinstance(node, ast.Assign) or len(node.targets) != 1:
            continue
        to, value = node.targets[0], node.value
        names = to.elts if isinstance(to, ast.Tuple) else [to]
        values = value.elts if isinstance(to, ast.Tuple) and isinstance(value, ast.Tuple) else [value]
        for name, one in zip(names, values, strict=False):
            with suppress(ValueError, KeyError):
                known[ast.unparse(name)] = known[one.id] if isinstance(one, ast.Name) else ast.literal_eval(one)
    return known


@cache
def defaults(target: str) -> dict[str, Any]:
    """The plain defaults of a class's annotated attributes, its bases' in this package included."""
    owner, module = _class(target), target.partition(":")[0]
    if owner is None:
        return {}
    places = {alias.asname or alias.name: node.module for node in _module_body(module) if isinstance(node, ast.ImportFrom)
              for alias in node.names}  # fmt: skip
    known: dict[str, Any] = {}
    for base in owner.bases:
        home = places.get(ast.unparse(base), module)
        if home and home.startswith("fflbench"):
            known |= defaults(f"{home}:{ast.unparse(base)}")
    for node in owner.body:
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            with suppress(ValueError):
                known[ast.unparse(node.target)] = _value(node.value)
    return known


def _value(node: ast.expr) -> Any:
    """A plain value, or the ratio of two. Raises `ValueError` for anything else."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return ast.literal_eval(node.left) / ast.literal_eval(node.right)
    return ast.literal_eval(node)


def tool(target: str) -> Tool | None:
    """The `tool = Tool(...)` in a class's body."""
    if "Tool(" not in _text(target.partition(":")[0]):
        return None
    for node in _class_body(target):
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "tool" and isinstance(node.value, ast.Call):
            plain = [ast.literal_eval(argument) for argument in node.value.args]
            return Tool(*plain, **{str(k.arg): ast.literal_eval(k.value) for k in node.value.keywords})
    return None
