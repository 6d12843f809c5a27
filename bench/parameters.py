"""Checks values from a suite against the typed constructor of a plug-in, before anything runs."""

from __future__ import annotations

import difflib
import inspect
import json
import re
import sys
import types
import typing
from collections.abc import Callable, Collection, Iterable
from enum import Enum
from functools import cache
from typing import Any, TypeVar

import pydantic
from pydantic_core import ErrorDetails

from fflbench.errors import UserError

T = TypeVar("T")

SUPPLIED = frozenset({"task", "classes", "input_shape", "vocabulary"})
"""Constructor arguments of models that the task fills in."""

_CONFIG = pydantic.ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True)


@cache
def schema(target: Callable[..., Any]) -> type[pydantic.BaseModel]:
    """A pydantic model of the constructor's arguments, without those that the task supplies."""
    hints = _hints(target)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(target).parameters.items():
        if name in SUPPLIED or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[name] = (hints.get(name, Any), default)
    return pydantic.create_model(getattr(target, "__name__", "parameters"), __config__=_CONFIG, **fields)


def _hints(target: Callable[..., Any]) -> dict[str, Any]:
    """The types of the constructor's arguments. Inherited fields name types as their own module knows them."""
    if not isinstance(target, type):
        return typing.get_type_hints(target, include_extras=True)
    names: dict[str, Any] = {}
    for base in reversed(target.__mro__):
        names |= vars(sys.modules.get(base.__module__, types))
    return typing.get_type_hints(getattr(target, "__init__", None), globalns=names, include_extras=True)


def supplied(target: Callable[..., Any]) -> frozenset[str]:
    """Which arguments the task has to fill in."""
    return SUPPLIED & set(inspect.signature(target).parameters)


def validate(target: Callable[..., Any], given: dict[str, Any], where: str) -> dict[str, Any]:
    """All parameters of a plug-in, defaults included, as plain JSON values. Raises `UserError` with one line."""
    model = schema(target)
    try:
        checked = model.model_validate_json(to_json(given, where))
    except pydantic.ValidationError as error:
        raise UserError(explain(error, where, model.model_fields)) from None
    plain: dict[str, Any] = checked.model_dump(mode="json")
    return plain


def construct(target: Callable[..., T], values: dict[str, Any], **supply: Any) -> T:
    """Build the plug-in from plain JSON values that `validate` returned."""
    checked = schema(target).model_validate_json(json.dumps(values))
    arguments = {name: getattr(checked, name) for name in values}
    try:
        return target(**arguments, **supply)
    except UserError:
        raise
    except Exception as error:
        given = ", ".join(f"{name} = {shortened(value)}" for name, value in arguments.items()) or "no parameters"
        raise UserError(f"{getattr(target, '__name__', target)} with {given}: {type(error).__name__}: {error}") from error


def to_json(given: object, where: str) -> str:
    try:
        return json.dumps(given)
    except TypeError:
        raise UserError(f"{where}: {_odd(given)}, needs text, a number, a truth value or a list of them") from None


def explain(error: pydantic.ValidationError, where: str, known: Collection[str] = ()) -> str:
    """The most telling thing that is wrong, as `where.field: found X, needs Y`."""
    details = error.errors()
    # A misspelt name shows up twice, as missing and as unknown: the unknown one tells the user more.
    detail = next((d for d in details if d["type"] == "extra_forbidden"), details[0])
    place = ".".join([where, *(str(part) for part in detail["loc"])]) if where else _dotted(detail)
    if detail["type"] == "extra_forbidden":
        return f"{place}: is not a parameter here{_hint(detail, known)}"
    if detail["type"] == "missing":
        return f"{place}: is missing"
    if detail["type"] == "value_error":
        return f"{place}: {detail['ctx']['error']!s}"
    wanted = re.sub(r"^(String|List|Input|Tuple) should (be )?", lambda m: "" if m[2] else "to ", detail["msg"])
    return f"{place}: found {shortened(detail['input'])}, needs {wanted}"


def _hint(detail: ErrorDetails, known: Collection[str]) -> str:
    """The nearest known name of a top-level field, or all of them."""
    if len(detail["loc"]) != 1 or not known:
        return ""
    near = difflib.get_close_matches(str(detail["loc"][0]), known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known: {', '.join(sorted(known))}"


def describe(target: Callable[..., Any]) -> list[tuple[str, str, str]]:
    """Name, type and default of each parameter, for people."""
    rows = []
    for name, field in schema(target).model_fields.items():
        kind = _with_bounds(_type_name(field.annotation), field.metadata)
        default = "none" if field.default is None else str(getattr(field.default, "value", field.default))
        rows.append((name, kind, "required" if field.is_required() else default))
    return rows


def _odd(given: object) -> str:
    """The entry of a table that JSON cannot hold, such as a date."""
    if isinstance(given, dict):
        for name, value in given.items():
            try:
                json.dumps(value)
            except TypeError:
                return f"{name}: found {shortened(value)}"
    return f"found {shortened(given)}"


def _dotted(detail: ErrorDetails) -> str:
    return ".".join(str(part) for part in detail["loc"])


def shortened(value: object) -> str:
    """A value for an error message, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _type_name(annotation: Any) -> str:
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        metadata = [m for item in inner[1:] for m in getattr(item, "metadata", [item])]
        return _with_bounds(_type_name(inner[0]), metadata)
    if origin is typing.Literal:
        return " or ".join(repr(value) for value in inner)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type_name(value) for value in inner)
    if origin in (tuple, list):
        return f"list of {_type_name(inner[0])}"
    if annotation is type(None):
        return "none"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(repr(member.value) for member in annotation)
    return str(getattr(annotation, "__name__", annotation))


def _with_bounds(kind: str, metadata: Iterable[object]) -> str:
    """A type with its bounds as people write them: `float > 0, < 1`."""
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    bounds = [f"{sign} {getattr(m, key)}" for m in metadata for key, sign in signs.items() if hasattr(m, key)]
    return f"{kind} {', '.join(bounds)}" if bounds else kind
