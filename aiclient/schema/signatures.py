"""Signatures of functions: the parameters that a model is to give, with their types, defaults and descriptions."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Mapping
from typing import Any, Final

from ..errors import ConfigError
from .bounds import tidied
from .members import MISSING, Member

__all__ = ["parameters"]


def parameters(function: Any, label: str, notes: Mapping[str, str]) -> tuple[Member, ...]:
    """Return the parameters of a function as keys of an object.

    Args:
        function: The function; what a partial has bound is left out.
        label: What it is called in errors.
        notes: What each parameter means, where its annotation does not say it.

    Raises:
        ConfigError: The signature cannot be read, or a parameter has no annotation, or no name for its caller.
    """
    try:
        found = inspect.signature(function).parameters
        hints = _hints(function)
    except (NameError, TypeError, ValueError) as error:
        problem = f"{error}; names in annotations must be found in the module"
    else:
        bound = function.keywords if isinstance(function, functools.partial) else {}
        asked = [parameter for name, parameter in found.items() if name not in bound]
        return tuple(_member(parameter, hints, label, notes) for parameter in asked)
    raise ConfigError(f"the signature of {label} cannot be read: {problem}")


def _hints(function: Any) -> dict[str, Any]:
    """Return the types of the parameters; of what it returns, the type may be known to type checkers alone."""
    holder = _annotated(function)
    written = dict(getattr(holder, "__annotations__", {}))
    written.pop("return", None)
    names = getattr(inspect.unwrap(holder), "__globals__", {})
    asked = types.SimpleNamespace(__annotations__=written)
    return typing.get_type_hints(asked, names, _around(function), include_extras=True)


def _annotated(function: Any) -> Any:
    """Return what holds the annotations: of a partial its function, of an object its `__call__`."""
    while isinstance(function, functools.partial):
        function = function.func
    is_function = inspect.isroutine(function) or hasattr(function, "__wrapped__")
    return function if is_function else type(function).__call__


def _around(function: Any) -> dict[str, Any]:
    """Return the names that a function closes over: annotations of local types are found there, if it uses them."""
    try:
        return dict(inspect.getclosurevars(inspect.unwrap(function)).nonlocals)
    except (TypeError, ValueError):  # not a function of Python's
        return {}


_KINDS: Final = {
    inspect.Parameter.VAR_POSITIONAL: "*{} takes any number of arguments",
    inspect.Parameter.VAR_KEYWORD: "**{} takes arguments of any name",
    inspect.Parameter.POSITIONAL_ONLY: "{} has no name for its caller",
}


def _member(parameter: inspect.Parameter, hints: Mapping[str, Any], label: str, notes: Mapping[str, str]) -> Member:
    if parameter.kind in _KINDS:
        what = _KINDS[parameter.kind].format(parameter.name)
        raise ConfigError(f"{label}: {what}: a model gives arguments by name, so each parameter needs one")
    if parameter.name not in hints:
        more = " or decorate the bound method: tool(thing.method)" if parameter.name in ("self", "cls") else ""
        raise ConfigError(f"{label}: the parameter {parameter.name} has no annotation; write its type{more}")
    required = parameter.default is inspect.Parameter.empty
    default = MISSING if required else parameter.default
    return Member(parameter.name, tidied(hints[parameter.name]), required, default, notes.get(parameter.name))
